//! Who may read an event: private kinds go to their author, to the keys named in a `p` tag,
//! and to auditors (protocol §5).

use crate::base::PubKey;
use crate::event::EventFields;

/// The reader behind a subscription, as far as it decides what he sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadAccess {
    /// Sees everything: an auditor, or private kinds are switched off.
    All,
    /// Sees private kinds only as their author or in a `p` tag.
    As(PubKey),
}

impl ReadAccess {
    /// Whether this reader may see `event`.
    pub fn may_read(&self, event: &impl EventFields) -> bool {
        match self {
            ReadAccess::All => true,
            ReadAccess::As(_) if !event.kind().is_private() => true,
            ReadAccess::As(me) => event.pubkey() == me || names(event, me),
        }
    }
}

fn names(event: &impl EventFields, me: &PubKey) -> bool {
    let mut hex_text = [0u8; 64];
    if hex::encode_to_slice(me.0, &mut hex_text).is_err() {
        return false;
    }
    event.tag_heads().any(|(name, first)| name == "p" && first.is_some_and(|v| v.as_bytes() == hex_text))
}
