//! Long polls: an empty list waits for its first item.

use super::reply::At;
use crate::gather::bell::Topic;
use crate::gather::{Db, Fault};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::sleep;

/// What `look` finds, once it is `enough` or the seconds are over; looks again whenever the topic
/// rings.
///
/// # Errors
/// Those of `look`; 503 if too many wait.
pub(super) async fn until<T: Send + 'static>(
    at: &At,
    topic: Topic,
    seconds: i64,
    look: impl Fn(&Db<'_>) -> Result<T, Fault> + Clone + Send + 'static,
    enough: impl Fn(&T) -> bool,
) -> Result<T, Fault> {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    if seconds == 0 {
        return at.api().read(look).await;
    }
    let mut end = pin!(sleep(Duration::from_secs(seconds)));
    let bell = &at.api().gather.context().bell;
    let rung = Arc::new(Notify::new());
    let wake = Arc::clone(&rung);
    let _listening = bell.listen(&[topic], move || wake.notify_one())?;
    loop {
        let found = at.api().read(look.clone()).await?;
        if enough(&found) || bell.is_closed() {
            return Ok(found);
        }
        tokio::select! {
            () = rung.notified() => {}
            () = &mut end => return Ok(found),
        }
    }
}
