//! The id of an event that could not be decoded, so that its refusal can name it.

use crate::base::EventId;
use crate::codec::Reader;

/// The `id` of what looks like an event map, however broken the rest of it is; `None` if none
/// can be read. The claim is the sender's: nothing about it has been checked.
pub fn scan_id(wire: &[u8]) -> Option<EventId> {
    let mut reader = Reader::new(wire);
    for _ in 0..reader.map_len().ok()? {
        if key_is_id(&mut reader)? {
            return reader.bin_of().ok().copied().map(EventId);
        }
        reader.skip().ok()?;
    }
    None
}

/// Steps over one key, of whatever type.
fn key_is_id(reader: &mut Reader<'_>) -> Option<bool> {
    let key = reader.skip().ok()?;
    Some(Reader::new(key).str() == Ok("id"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{write_bin, write_map_len, write_str, write_uint};

    #[test]
    fn the_id_is_found_behind_foreign_keys_and_before_a_cut() {
        let mut wire = Vec::new();
        write_map_len(&mut wire, 9);
        write_uint(&mut wire, 7);
        write_str(&mut wire, "a key that is no str");
        write_str(&mut wire, "more");
        write_map_len(&mut wire, 0);
        write_str(&mut wire, "id");
        write_bin(&mut wire, &[9; 32]);
        assert_eq!(scan_id(&wire), Some(EventId([9; 32])));
        for cut in 0..wire.len() {
            assert_eq!(scan_id(&wire[..cut]), None, "cut at {cut}");
        }
    }

    #[test]
    fn an_id_of_another_type_or_length_is_none() {
        for write in [|w: &mut Vec<u8>| write_bin(w, &[9; 31]), |w: &mut Vec<u8>| write_uint(w, 1)] {
            let mut wire = vec![0x81];
            write_str(&mut wire, "id");
            write(&mut wire);
            assert_eq!(scan_id(&wire), None);
        }
        assert_eq!(scan_id(&[0xdf, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(scan_id(&[0xc0]), None);
    }
}
