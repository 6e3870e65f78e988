//! The reading side: one typed step at a time, each with its own failure.

use crate::base::Reason;
use rmp::Marker;
use rmp::decode::{Bytes, ValueReadError, read_int, read_marker};

/// How deep a skipped value may nest. Our own messages need six levels; the rest is for
/// unknown keys of newer clients. Deeper input would cost stack, not heap.
const SKIP_DEPTH_MAX: u32 = 32;

/// What is wrong with a MessagePack value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodecError {
    /// The bytes end inside the value.
    Truncated,
    /// The value has another type than the protocol says.
    WrongType,
    /// A str is not UTF-8.
    NotUtf8,
    /// An integer does not fit.
    OutOfRange,
    /// A bin has another length than the protocol says.
    WrongLength,
    /// Nested beyond `SKIP_DEPTH_MAX`.
    TooDeep,
    /// A map has a key twice.
    RepeatedKey,
    /// A map has more unknown keys than are told apart.
    TooManyKeys,
}

impl CodecError {
    /// The reason the sender gets, with the field's path.
    pub fn at(self, field: &'static str) -> Reason {
        let problem = match self {
            CodecError::Truncated => "the message ends inside it",
            CodecError::WrongType => "wrong MessagePack type",
            CodecError::NotUtf8 => "not UTF-8",
            CodecError::OutOfRange => "integer out of range",
            CodecError::WrongLength => "wrong length",
            CodecError::TooDeep => "nested too deeply",
            CodecError::RepeatedKey => "repeated key",
            CodecError::TooManyKeys => "more than 32 unknown keys",
        };
        Reason::Malformed { field, problem }
    }
}

/// A cursor over MessagePack bytes. Moves only forward, also when a step fails.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether everything has been read.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Runs one of rmp's readers and moves by what it took.
    fn step<T, E>(&mut self, read: impl FnOnce(&mut Bytes<'a>) -> Result<T, E>) -> Result<T, E> {
        let mut bytes = Bytes::new(self.rest);
        let out = read(&mut bytes);
        self.rest = bytes.remaining_slice();
        out
    }

    fn marker(&mut self) -> Result<Marker, CodecError> {
        self.step(read_marker).map_err(|_| CodecError::Truncated)
    }

    fn length(&mut self, width: usize) -> Result<usize, CodecError> {
        self.take(width).map(|b| b.iter().fold(0, |n, &x| (n << 8) | usize::from(x)))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], CodecError> {
        let (head, tail) = self.rest.split_at_checked(n).ok_or(CodecError::Truncated)?;
        self.rest = tail;
        Ok(head)
    }

    /// The number of entries of a map.
    pub fn map_len(&mut self) -> Result<usize, CodecError> {
        self.step(rmp::decode::read_map_len).map(|n| n as usize).map_err(value_error)
    }

    /// The number of entries of an array.
    pub fn array_len(&mut self) -> Result<usize, CodecError> {
        self.step(rmp::decode::read_array_len).map(|n| n as usize).map_err(value_error)
    }

    /// A str.
    pub fn str(&mut self) -> Result<&'a str, CodecError> {
        let n = match self.marker()? {
            Marker::FixStr(n) => usize::from(n),
            Marker::Str8 => self.length(1)?,
            Marker::Str16 => self.length(2)?,
            Marker::Str32 => self.length(4)?,
            _ => return Err(CodecError::WrongType),
        };
        std::str::from_utf8(self.take(n)?).map_err(|_| CodecError::NotUtf8)
    }

    /// A bin of any length.
    pub fn bin(&mut self) -> Result<&'a [u8], CodecError> {
        let n = match self.marker()? {
            Marker::Bin8 => self.length(1)?,
            Marker::Bin16 => self.length(2)?,
            Marker::Bin32 => self.length(4)?,
            _ => return Err(CodecError::WrongType),
        };
        self.take(n)
    }

    /// A bin of exactly `N` bytes.
    pub fn bin_of<const N: usize>(&mut self) -> Result<&'a [u8; N], CodecError> {
        self.bin()?.try_into().map_err(|_| CodecError::WrongLength)
    }

    /// A non-negative integer, in any MessagePack width.
    pub fn uint(&mut self) -> Result<u64, CodecError> {
        self.step(read_int).map_err(int_error)
    }

    /// A signed integer, in any MessagePack width.
    pub fn int(&mut self) -> Result<i64, CodecError> {
        self.step(read_int).map_err(int_error)
    }

    /// Takes a nil if one stands here.
    pub fn nil(&mut self) -> bool {
        match self.rest {
            [0xc0, rest @ ..] => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Steps over one value and returns its bytes.
    pub fn skip(&mut self) -> Result<&'a [u8], CodecError> {
        let start = self.rest;
        self.skip_at(0)?;
        Ok(&start[..start.len() - self.rest.len()])
    }

    fn skip_at(&mut self, depth: u32) -> Result<(), CodecError> {
        if depth > SKIP_DEPTH_MAX {
            return Err(CodecError::TooDeep);
        }
        let (values, bytes) = match self.marker()? {
            Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => (0, 0),
            Marker::U8 | Marker::I8 => (0, 1),
            Marker::U16 | Marker::I16 => (0, 2),
            Marker::U32 | Marker::I32 | Marker::F32 => (0, 4),
            Marker::U64 | Marker::I64 | Marker::F64 => (0, 8),
            Marker::FixStr(n) => (0, usize::from(n)),
            Marker::Str8 | Marker::Bin8 => (0, self.length(1)?),
            Marker::Str16 | Marker::Bin16 => (0, self.length(2)?),
            Marker::Str32 | Marker::Bin32 => (0, self.length(4)?),
            Marker::FixExt1 => (0, 2),
            Marker::FixExt2 => (0, 3),
            Marker::FixExt4 => (0, 5),
            Marker::FixExt8 => (0, 9),
            Marker::FixExt16 => (0, 17),
            Marker::Ext8 => (0, self.length(1)? + 1),
            Marker::Ext16 => (0, self.length(2)? + 1),
            Marker::Ext32 => (0, self.length(4)? + 1),
            Marker::FixArray(n) => (usize::from(n), 0),
            Marker::Array16 => (self.length(2)?, 0),
            Marker::Array32 => (self.length(4)?, 0),
            Marker::FixMap(n) => (2 * usize::from(n), 0),
            Marker::Map16 => (2 * self.length(2)?, 0),
            Marker::Map32 => (2 * self.length(4)?, 0),
            Marker::Reserved => return Err(CodecError::WrongType),
        };
        self.take(bytes)?;
        for _ in 0..values {
            self.skip_at(depth + 1)?;
        }
        Ok(())
    }
}

fn value_error<E: rmp::decode::RmpReadErr>(error: ValueReadError<E>) -> CodecError {
    match error {
        ValueReadError::TypeMismatch(_) => CodecError::WrongType,
        _ => CodecError::Truncated,
    }
}

fn int_error<E: rmp::decode::RmpReadErr>(error: rmp::decode::NumValueReadError<E>) -> CodecError {
    match error {
        rmp::decode::NumValueReadError::TypeMismatch(_) => CodecError::WrongType,
        rmp::decode::NumValueReadError::OutOfRange => CodecError::OutOfRange,
        _ => CodecError::Truncated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_may_use_any_width() {
        for bytes in [
            &[5u8][..],
            &[0xcc, 5],
            &[0xcd, 0, 5],
            &[0xce, 0, 0, 0, 5],
            &[0xd0, 5],
            &[0xd3, 0, 0, 0, 0, 0, 0, 0, 5],
        ] {
            assert_eq!(Reader::new(bytes).uint(), Ok(5), "{bytes:02x?}");
        }
        assert_eq!(Reader::new(&[0xff]).uint(), Err(CodecError::OutOfRange));
        assert_eq!(Reader::new(&[0xff]).int(), Ok(-1));
        assert_eq!(Reader::new(&[0xa0]).int(), Err(CodecError::WrongType));
    }

    #[test]
    fn a_skipped_value_may_not_nest_without_end() {
        let deep = vec![0x91; 100_000];
        assert_eq!(Reader::new(&deep).skip(), Err(CodecError::TooDeep));
    }

    #[test]
    fn a_claimed_length_beyond_the_bytes_is_truncation() {
        for bytes in [
            &[0xdf, 0xff, 0xff, 0xff, 0xff][..],
            &[0xdd, 0xff, 0xff, 0xff, 0xff],
            &[0xc6, 0xff, 0xff, 0xff, 0xff],
            &[0xdb, 0x7f, 0xff, 0xff, 0xff, 1],
            &[0xc9, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(Reader::new(bytes).skip(), Err(CodecError::Truncated), "{bytes:02x?}");
        }
    }

    #[test]
    fn str_and_bin_are_not_each_other() {
        assert_eq!(Reader::new(&[0xa1, b'x']).bin(), Err(CodecError::WrongType));
        assert_eq!(Reader::new(&[0xc4, 1, b'x']).str(), Err(CodecError::WrongType));
        assert_eq!(Reader::new(&[0xa1, 0xff]).str(), Err(CodecError::NotUtf8));
    }
}
