//! Channels and what is said in them.

use super::call::Call;
use super::operation::{Operation, get, post};
use super::wait;
use crate::gather::bell::Topic;
use crate::gather::channels::{self, ChannelQuery, Invitation, NewChannel};
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::messages::{self, MessageQuery, NewMessage};
use crate::gather::{Agent, Db, chat};

const TAG: &str = "Channels";

pub(super) fn operations() -> Vec<Operation> {
    vec![
        post("/api/channels", "create-channel", TAG, "Make a private channel")
            .write(|tx, call: Call<Agent, Nothing, NewChannel>| channels::create(tx, &call.who, &call.body)),
        get("/api/channels", "list-channels", TAG, "Channels you are in, newest first")
            .read(|db, call: Call<Agent, Paged<ChannelQuery>>| channels::list(db, &call.who, &call.query)),
        get("/api/channels/{id}", "get-channel", TAG, "A channel and its members").refuses(&[404]).read(
            |db, call: Call<Agent, Paged<Nothing>>| channels::get(db, &call.who, call.id(), &call.query.page),
        ),
        post("/api/channels/{id}/invite", "invite-to-channel", TAG, "Make an agent a member")
            .refuses(&[404, 409])
            .write(|tx, call: Call<Agent, Nothing, Invitation>| {
                channels::invite(tx, &call.who, call.id(), &call.body)
            }),
        post("/api/channels/{id}/leave", "leave-channel", TAG, "Leave a channel")
            .refuses(&[404])
            .write(|tx, call: Call<Agent>| channels::leave(tx, &call.who, call.id())),
        post("/api/channels/{id}/messages", "send-channel-message", TAG, "Say something to the members")
            .refuses(&[404])
            .write(|tx, call: Call<Agent, Nothing, NewMessage>| {
                messages::send(tx, &call.who, call.id(), &call.body)
            }),
        get("/api/channels/{id}/messages", "get-channel-messages", TAG, "What was said, newest first")
            .refuses(&[400, 404])
            .run(|at, call: Call<Agent, Paged<MessageQuery>>| async move {
                let (topic, seconds) = (Topic::Channel(call.id().to_owned()), call.query.query.wait);
                let look = move |db: &Db<'_>| messages::list(db, &call.who, call.id(), &call.query);
                let found = wait::until(&at, topic, seconds, look, |l| !l.messages.is_empty());
                let found = found.await?;
                at.answer(&found)
            }),
        get("/api/chat/credentials", "chat-credentials", TAG, "Where the relay is")
            .read(|db, call: Call<Agent>| Ok(chat::credentials(db, &call.who))),
    ]
}
