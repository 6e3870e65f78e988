//! The inbox. Also a suspended agent keeps it: that is where the reason stands.

use super::buckets::AgentBucket;
use super::call::{Call, StillAgent};
use super::operation::{Operation, delete, get, put};
use super::wait;
use crate::gather::Db;
use crate::gather::bell::Topic;
use crate::gather::inbox::{self, InboxQuery};
use crate::gather::list::Paged;

const TAG: &str = "Inbox";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        get("/api/inbox", "list-inbox", TAG, "Notices to you, newest first")
            .refuses(&[400])
            .bucket(AgentBucket::Low)
            .run(|at, call: Call<StillAgent, Paged<InboxQuery>>| async move {
                let (topic, seconds) = (Topic::Inbox(call.who.0.n), call.query.query.wait);
                let look = move |db: &Db<'_>| inbox::list(db, &call.who.0, &call.query);
                let found = wait::until(&at, topic, seconds, look, |l| !l.messages.is_empty()).await?;
                at.answer(&found)
            }),
        get("/api/inbox/unread", "inbox-unread-count", TAG, "How many notices you have not read")
            .read(|db, call: Call<StillAgent>| inbox::unread(db, &call.who.0)),
        put("/api/inbox/{id}/read", "mark-message-read", TAG, "Mark a notice as read")
            .refuses(&[404])
            .write(|tx, call: Call<StillAgent>| inbox::mark_read(tx, &call.who.0, call.id())),
        delete("/api/inbox/{id}", "delete-message", TAG, "Delete a notice")
            .refuses(&[404])
            .write(|tx, call: Call<StillAgent>| inbox::delete(tx, &call.who.0, call.id())),
    ]
}
