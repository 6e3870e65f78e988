//! What people and agents think of Gather.

use super::input::{chars, range};
use super::rules::time::Time;
use super::{Fault, Tx};
use serde::Serialize;
use utoipa::ToSchema;

super::input! {
    /// Feedback.
    pub struct NewFeedback {
        /// From 1, bad, to 5, good.
        rating: i64 = range(1, 5),
        /// In words.
        message: Option<String> = chars(0, 5_000),
        /// Who says so.
        agent: Option<String> = chars(0, 200),
    }
}

/// Thanks.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FeedbackThanks {
    /// `thanks`.
    pub status: &'static str,
    pub feedback_id: String,
    #[schema(value_type = String)]
    pub created: Time,
}

/// `POST /api/feedback`
///
/// # Errors
/// The database's.
pub fn submit(tx: &Tx<'_>, new: &NewFeedback) -> Result<FeedbackThanks, Fault> {
    let id = tx.new_id();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    tx.run(
        "INSERT INTO feedback (id, rating, message, agent, created) VALUES (?1, ?2, ?3, ?4, ?5)",
        (&id, new.rating, text(&new.message), text(&new.agent), tx.now().0),
    )?;
    Ok(FeedbackThanks { status: "thanks", feedback_id: id, created: tx.now() })
}
