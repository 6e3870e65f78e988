//! What Gather can be told. The `app` room fills this from `[gather]`.

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    /// Only keys that the operator has allowed on the relay.
    Closed,
    /// Those, and whoever has an invite.
    Invite,
    /// Everybody.
    Open,
}

/// Options; meaning, cost and default of each stand in `src/app/axon.toml`.
#[derive(Debug, Clone)]
pub struct Options {
    pub registration: Registration,
    /// Fees in dollars; the stored settings win.
    pub post_fee_usd: String,
    pub comment_fee_usd: String,
    pub free_posts_per_week: i64,
    pub free_comments_per_day: i64,
    pub pow_register: u8,
    pub pow_post: u8,
    pub pow_min: u8,
    pub pow_max: u8,
    /// Solutions per minute up to which the difficulty stays as set.
    pub pow_calm_per_minute: u32,
    /// `None`: one is made and kept in the data directory.
    pub jwt_key: Option<Vec<u8>>,
    /// E-mail and password of the administrator's old login.
    pub admin: Option<(String, String)>,
    /// Added to the machine's clock; for tests.
    pub clock_offset_seconds: i64,
    pub reader_threads: usize,
    /// Where clients reach the HTTP face, without a slash at the end.
    pub public_url: String,
    /// Where clients reach the relay.
    pub relay_url: String,
    /// Where payments go; empty: none are taken.
    pub bch_address: String,
    /// Whether a deposit must say for whom it is.
    pub deposit_memo: bool,
    pub channel_members_max: usize,
}
