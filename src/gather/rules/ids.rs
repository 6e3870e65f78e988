//! Record ids, verification codes and totems: random, drawn from bytes that are handed in.

/// Characters of a record id.
pub const ID_CHARS: usize = 15;

const ID_ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
/// Without letters and digits that look alike; 32, so that a byte's five bits choose evenly.
const CODE_ALPHABET: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// A record id: 15 characters of `[a-z0-9]`. A u64 per character makes the modulo's bias
/// smaller than 2^-58.
pub fn record_id(random: impl FnMut() -> u64) -> String {
    let draw = |n: u64| char::from(ID_ALPHABET[(n % ID_ALPHABET.len() as u64) as usize]);
    std::iter::repeat_with(random).take(ID_CHARS).map(draw).collect()
}

/// A verification code: `gtr-` and four symbols.
pub fn verification_code(random: impl FnMut() -> u64) -> String {
    let draw = |n: u64| char::from(CODE_ALPHABET[(n % CODE_ALPHABET.len() as u64) as usize]);
    "gtr-".chars().chain(std::iter::repeat_with(random).take(4).map(draw)).collect()
}

/// A review's totem: `GATHER-` and eight hex digits.
pub fn totem(mut random: impl FnMut() -> u64) -> String {
    format!("GATHER-{:08x}", random() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_and_codes_have_the_contracts_form() {
        let mut n = 0u64;
        let mut count = || {
            n += 7;
            n
        };
        let id = record_id(&mut count);
        assert_eq!(id.len(), 15);
        assert!(id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
        let code = verification_code(&mut count);
        assert_eq!(code.len(), 8);
        assert!(code.starts_with("gtr-") && code[4..].bytes().all(|b| CODE_ALPHABET.contains(&b)), "{code}");
        assert_eq!(totem(|| 0x1_0000_00ff), "GATHER-000000ff");
    }
}
