//! What administrators see of the relay, and its allowlist.

use super::buckets::AgentBucket;
use super::call::Call;
use super::operation::{Operation, delete, get, post};
use super::reply::{At, Finished};
use crate::base::limits::ROSTER_MAX;
use crate::gather::connections::{self, Connection, ConnectionQuery};
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::operator::{self, KeyChange, KeyChanged, KeyGrant, KeyQuery};
use crate::gather::{Admin, Fault};
use std::sync::Arc;

const TAG: &str = "Admin";

/// A place is free again after this time.
const AGAIN_SECONDS: u32 = 2;

pub(super) fn operations() -> Vec<Operation> {
    vec![
        // Asked every second by everybody who watches, and so bounded for the agent, not the address.
        get("/api/admin/relay", "admin-relay", TAG, "What the relay has counted since its start")
            .unlimited()
            .bucket(AgentBucket::Window)
            .read(|db, _: Call<Admin>| Ok(db.context().ports.window.figures())),
        get("/api/admin/relay/storage", "admin-relay-storage", TAG, "What the relay's store occupies")
            .read(|db, _: Call<Admin>| Ok(db.context().ports.window.storage())),
        get("/api/admin/relay/kinds", "admin-relay-kinds", TAG, "What is stored by kind, from a sample")
            .refuses(&[503])
            .run(|at, _: Call<Admin>| async move {
                let window = Arc::clone(&at.api().gather.context().ports.window);
                let counted = blocking(move || window.kinds()).await?;
                at.answer(&counted.map_err(|error| Fault::unavailable(error, AGAIN_SECONDS))?)
            }),
        get("/api/admin/relay/connections", "admin-list-connections", TAG, "Who is connected to the relay")
            .run(|at, call: Call<Admin, Paged<ConnectionQuery>>| async move {
                let key = connections::asked_key(&call.query.query)?;
                let window = Arc::clone(&at.api().gather.context().ports.window);
                let all = blocking(move || window.connections(key.as_ref(), ROSTER_MAX)).await?;
                at.answer(&connections::page(all, &call.query)?)
            }),
        delete(
            "/api/admin/relay/connections/{id}",
            "admin-close-connection",
            TAG,
            "Close a connection to the relay",
        )
        .refuses(&[404])
        .run(|at, call: Call<Admin>| async move { close(at, &call).await }),
        get("/api/admin/relay/keys", "admin-list-keys", TAG, "The relay's allowlist")
            .read(|db, call: Call<Admin, Paged<KeyQuery>>| operator::keys(db, &call.query)),
        post("/api/admin/relay/keys", "admin-allow-key", TAG, "Allow a key on the relay, or change its role")
            .run(|at, call: Call<Admin, Nothing, KeyGrant>| async move {
                let (admin, grant) = (call.who.clone(), call.body);
                let change = at.api().write(move |tx| operator::note_grant(tx, &admin, &grant)).await?;
                carry_out(at, call.who, change).await
            }),
        delete("/api/admin/relay/keys/{pubkey}", "admin-remove-key", TAG, "Take a key off the allowlist")
            .refuses(&[404])
            .run(|at, call: Call<Admin>| async move {
                let (admin, key) = (call.who.clone(), call.id().to_owned());
                let change = at.api().write(move |tx| operator::note_removal(tx, &admin, &key)).await?;
                carry_out(at, call.who, change).await
            }),
    ]
}

/// Writes who is closed to the journal, then closes.
async fn close(at: At, call: &Call<Admin>) -> Result<Finished<Connection>, Fault> {
    let (window, id) = (Arc::clone(&at.api().gather.context().ports.window), call.id().to_owned());
    let found = blocking(move || window.connection(&id)).await?.ok_or_else(connections::missing)?;
    let (admin, noted) = (call.who.clone(), found.clone());
    at.api().write(move |tx| connections::note_close(tx, &admin, &noted)).await?;
    let (window, id) = (Arc::clone(&at.api().gather.context().ports.window), found.id.clone());
    // One that has ended by itself in the meantime is closed, too.
    blocking(move || window.close_connection(&id)).await?;
    at.answer(&found)
}

/// Makes a change that was noted.
async fn carry_out(at: At, admin: Admin, change: KeyChange) -> Result<Finished<KeyChanged>, Fault> {
    let door = Arc::clone(&at.api().gather.context().ports.relay);
    let made = change.clone();
    match blocking(move || made.carry_out(&*door)).await? {
        Ok(()) => at.write(move |_| Ok(change.done())).await,
        Err(error) => {
            let fault = Fault::internal(&error);
            at.api().write(move |tx| operator::note_failure(tx, &admin, &change, &error)).await?;
            Err(fault)
        }
    }
}

/// Does what blocks beside the runtime's thread.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.map_err(Fault::internal)
}
