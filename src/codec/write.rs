//! The writing side: rmp's encoders on a plain byte vector, which cannot fail.

use rmp::encode;

/// Writing to a `Vec` grows it and has no failing path; rmp's signature has one for sockets.
macro_rules! infallible {
    ($call:expr) => {
        if $call.is_err() {
            unreachable!("writing to a Vec cannot fail")
        }
    };
}

/// Starts an array of `n` values.
pub fn write_array_len(out: &mut Vec<u8>, n: u32) {
    infallible!(encode::write_array_len(out, n));
}

/// Starts a map of `n` entries.
pub fn write_map_len(out: &mut Vec<u8>, n: u32) {
    infallible!(encode::write_map_len(out, n));
}

/// A str, in its shortest form.
pub fn write_str(out: &mut Vec<u8>, text: &str) {
    infallible!(encode::write_str(out, text));
}

/// A bin, in its shortest form.
pub fn write_bin(out: &mut Vec<u8>, bytes: &[u8]) {
    infallible!(encode::write_bin(out, bytes));
}

/// A non-negative integer, in its shortest form.
pub fn write_uint(out: &mut Vec<u8>, n: u64) {
    infallible!(encode::write_uint(out, n));
}

/// A signed integer, in its shortest form.
pub fn write_int(out: &mut Vec<u8>, n: i64) {
    infallible!(encode::write_sint(out, n));
}

/// A boolean.
pub fn write_bool(out: &mut Vec<u8>, value: bool) {
    infallible!(encode::write_bool(out, value));
}
