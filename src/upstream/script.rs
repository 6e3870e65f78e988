//! What there is to read in an output's script: a memo, an address.

const OP_RETURN: u8 = 0x6a;
const OP_PUSHDATA1: u8 = 0x4c;

/// The first text that an `OP_RETURN` script pushes, if the hex is such a script.
pub(super) fn memo(script_hex: &str) -> Option<String> {
    let script = hex::decode(script_hex).ok()?;
    let (length, data) = match script.as_slice() {
        [OP_RETURN, OP_PUSHDATA1, length, data @ ..] => (*length, data),
        [OP_RETURN, length, data @ ..] if *length < OP_PUSHDATA1 => (*length, data),
        _ => return None,
    };
    String::from_utf8(data.get(..usize::from(length))?.to_vec()).ok()
}

/// An address without the network's name in front.
pub(super) fn bare(address: &str) -> String {
    address.trim_start_matches("bitcoincash:").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memo_is_the_first_text_of_an_op_return() {
        assert_eq!(memo("6a03616263").as_deref(), Some("abc"));
        assert_eq!(memo("6a4c03616263ff").as_deref(), Some("abc"), "what follows is not looked at");
        for none in ["", "6a", "6a04616263", "76a914", "6a4c", "6a02ffff", "zz", "6a4d0300616263"] {
            assert_eq!(memo(none), None, "{none}");
        }
    }
}
