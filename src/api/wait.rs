//! Waiting for something to be written, for clients without streams: `?wait=30`.
//!
//! ```text
//! get("/api/inbox", …).run(|at, call: Call<Agent, Paged<InboxQuery>>| async move {
//!     let (topic, seconds) = (Topic::Inbox(call.who.n), call.query.query.wait);
//!     let list = move |db: &Db<'_>| inbox::list(db, &call.who, &call.query);
//!     let found = wait::until(at.api(), &[topic], seconds, list, |found| found.total > 0).await?;
//!     at.answer(&found)
//! })
//! ```
//!
//! Whoever writes rings: `tx.then(Effect::Ring(topic))`. Notices and channel messages ring by
//! themselves, in `outbox::emit`.

use super::serve::Api;
use crate::gather::bells::Topic;
use crate::gather::{Db, Fault};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

/// Seconds a long poll may wait; proxies give up soon after.
pub const WAIT_SECONDS_MAX: i64 = 60;

/// Reads until `enough` of what was read, or until `seconds` are over: then what was read last.
/// It reads at once, and again whenever one of the topics is rung.
///
/// # Errors
/// Those of `read`.
pub async fn until<T: Send + 'static>(
    api: &Arc<Api>,
    topics: &[Topic],
    seconds: i64,
    read: impl Fn(&Db<'_>) -> Result<T, Fault> + Clone + Send + 'static,
    enough: impl Fn(&T) -> bool,
) -> Result<T, Fault> {
    let bells = &api.gather.context().bells;
    let rung = Arc::new(Notify::new());
    // Before the first read: what is written in between is heard.
    let _listening = (seconds > 0).then(|| {
        let rung = Arc::clone(&rung);
        bells.listen(topics, move || rung.notify_one())
    });
    let seconds = seconds.clamp(0, WAIT_SECONDS_MAX).unsigned_abs();
    let over = sleep(Duration::from_secs(seconds));
    tokio::pin!(over);
    loop {
        let found = api.read(read.clone()).await?;
        if seconds == 0 || enough(&found) || bells.is_closed() {
            return Ok(found);
        }
        tokio::select! {
            () = rung.notified() => {}
            () = &mut over => return Ok(found),
        }
    }
}

/// Waits for the bell, at most so long; for streams.
pub(super) async fn bell(rung: &Notify, time: Duration) {
    // Over or rung: whoever waits looks again.
    let _ = timeout(time, rung.notified()).await;
}
