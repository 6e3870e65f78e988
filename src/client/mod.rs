//! The library agents use.
