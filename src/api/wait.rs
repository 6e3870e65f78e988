//! Long polls: an empty list waits for its first item.

use super::serve::At;
use crate::gather::bell::Topic;
use crate::gather::{Db, Fault};
use std::pin::pin;
use std::time::Duration;
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
    let mut end = pin!(sleep(Duration::from_secs(u64::try_from(seconds).unwrap_or(0))));
    loop {
        let rung = at.api().gather.context().bell.listen(topic)?;
        let found = at.api().read(look.clone()).await?;
        if seconds <= 0 || enough(&found) {
            return Ok(found);
        }
        tokio::select! {
            () = rung => {}
            () = &mut end => return Ok(found),
        }
    }
}
