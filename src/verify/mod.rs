//! Signatures: the acceptance rule of protocol §1, alone and in batches.
