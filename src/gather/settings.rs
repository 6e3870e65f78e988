//! What an administrator can change while Gather runs: the stored settings over the options.

use super::{Db, Fault};

/// The values in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub post_fee_usd: String,
    pub comment_fee_usd: String,
    pub free_comments_per_day: i64,
    pub free_posts_per_week: i64,
    pub pow_register: u8,
    pub pow_post: u8,
}

impl Settings {
    /// Reads them; what is not stored has its configured value, and 0 is a value (W23).
    ///
    /// # Errors
    /// The database's.
    pub fn load(db: &Db<'_>) -> Result<Settings, Fault> {
        let options = &db.context().options;
        let sql = "SELECT post_fee_usd, comment_fee_usd, free_comments_per_day, free_posts_per_week,
                   pow_difficulty_register, pow_difficulty_post FROM settings";
        let stored = db.one(sql, [], |row| {
            Ok(Settings {
                post_fee_usd: row.get::<_, Option<_>>(0)?.unwrap_or_else(|| options.post_fee_usd.clone()),
                comment_fee_usd: row
                    .get::<_, Option<_>>(1)?
                    .unwrap_or_else(|| options.comment_fee_usd.clone()),
                free_comments_per_day: row.get::<_, Option<_>>(2)?.unwrap_or(options.free_comments_per_day),
                free_posts_per_week: row.get::<_, Option<_>>(3)?.unwrap_or(options.free_posts_per_week),
                pow_register: row.get::<_, Option<_>>(4)?.unwrap_or(options.pow_register),
                pow_post: row.get::<_, Option<_>>(5)?.unwrap_or(options.pow_post),
            })
        })?;
        stored.ok_or_else(|| Fault::internal("the settings' row is gone"))
    }
}
