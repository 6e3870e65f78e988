//! The one door for events and keys.
