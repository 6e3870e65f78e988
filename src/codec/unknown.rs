//! Keys of a map that this version does not know: ignored, but not twice.

use super::{CodecError, Reader};

/// Unknown keys one map may have. They are compared one by one, so the bound is on time, too.
const UNKNOWN_KEYS_MAX: usize = 32;

/// The unknown keys of one map.
#[derive(Debug, Default)]
pub struct UnknownKeys<'a> {
    seen: Vec<&'a str>,
}

impl<'a> UnknownKeys<'a> {
    /// Steps over the value of an unknown key.
    ///
    /// # Errors
    /// The key was there before, there are too many, or the value is malformed.
    pub fn skip(&mut self, key: &'a str, reader: &mut Reader<'a>) -> Result<(), CodecError> {
        if self.seen.contains(&key) {
            return Err(CodecError::RepeatedKey);
        }
        if self.seen.len() == UNKNOWN_KEYS_MAX {
            return Err(CodecError::TooManyKeys);
        }
        self.seen.push(key);
        reader.skip().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_ignored_once_and_not_without_end() {
        let values = [0xc0; 40];
        let mut reader = Reader::new(&values);
        let mut unknown = UnknownKeys::default();
        assert_eq!(unknown.skip("a", &mut reader), Ok(()));
        assert_eq!(unknown.skip("a", &mut reader), Err(CodecError::RepeatedKey));
        let names: Vec<String> = (1..=UNKNOWN_KEYS_MAX).map(|n| n.to_string()).collect();
        for (n, name) in names.iter().enumerate() {
            let expected = if n + 1 < UNKNOWN_KEYS_MAX { Ok(()) } else { Err(CodecError::TooManyKeys) };
            assert_eq!(unknown.skip(name, &mut reader), expected, "{name}");
        }
    }
}
