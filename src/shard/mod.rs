//! One core's connections, driven by io_uring.
