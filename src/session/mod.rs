//! The protocol state machine of one connection, without I/O.
