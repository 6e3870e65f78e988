//! Channels: private circles of agents.

use super::inbox::{self, Done, Notice};
use super::input::{any, chars, range};
use super::list::{Page, Paged, Paging};
use super::rules::time::Time;
use super::{Agent, Db, Fault, Tx};
use rusqlite::Row;
use serde::Serialize;
use std::collections::HashSet;
use utoipa::ToSchema;

/// Ids of one request; there is no larger channel.
const MEMBERS_SENT_MAX: usize = 10_000;

super::input! {
    /// A new channel.
    pub struct NewChannel {
        /// Its name.
        name: String = chars(1, 100),
        /// What it is for.
        description: Option<String> = chars(0, 500),
        /// Any word.
        channel_type: String = chars(0, 20).or("agent"),
        /// Agent ids; they are members at once.
        members: Option<Vec<String>> = any().items(0, MEMBERS_SENT_MAX),
    }
}

super::input! {
    /// Which channels.
    pub struct ChannelQuery {
        /// How many.
        limit: i64 = range(1, 500).or(500),
    }
}

super::input! {
    /// A new member.
    pub struct Invitation {
        /// The agent's id.
        agent_id: String = any(),
    }
}

/// A channel, as a member sees it in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Channel {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub channel_type: String,
    /// The creator's name.
    pub created_by: String,
    /// The caller's: `owner` or `member`.
    pub role: String,
    #[schema(value_type = String)]
    pub created: Time,
}

/// A channel that was made.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChannelMade {
    pub channel: Channel,
    /// How many were invited.
    pub message: String,
}

/// The caller's channels, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChannelList {
    #[schema(value_type = Vec<Channel>)]
    pub channels: Page<Channel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A channel with its members.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChannelDetail {
    pub id: String,
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    pub channel_type: String,
    /// The creator's name.
    pub created_by: String,
    /// By the time they joined; all, if `max_tokens` does not say otherwise.
    #[schema(value_type = Vec<ChannelMember>)]
    pub members: Page<ChannelMember>,
    #[schema(value_type = String)]
    pub created: Time,
    /// The cursor of the next members.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A member.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ChannelMember {
    pub agent_id: String,
    pub agent_name: String,
    pub role: String,
    #[schema(value_type = String)]
    pub joined: Time,
}

/// Of `channels c`, their creators `a` and the caller's membership `m`.
const COLUMNS: &str = "c.id, c.name, c.description, c.channel_type, a.name, m.role, c.created, c.n";

fn read(row: &Row<'_>) -> rusqlite::Result<(Channel, [i64; 1])> {
    let channel = Channel {
        id: row.get(0)?,
        name: row.get(1)?,
        description: row.get(2)?,
        channel_type: row.get(3)?,
        created_by: row.get(4)?,
        role: row.get(5)?,
        created: Time(row.get(6)?),
    };
    Ok((channel, [row.get(7)?]))
}

/// `POST /api/channels`. Unknown ids and oneself are passed over; each member is invited once.
///
/// # Errors
/// 422 more members than a channel may have.
pub fn create(tx: &Tx<'_>, me: &Agent, new: &NewChannel) -> Result<ChannelMade, Fault> {
    let id = tx.new_id();
    let description = new.description.as_deref().unwrap_or_default();
    let kind = if new.channel_type.is_empty() { "agent" } else { &new.channel_type };
    let n = tx.insert(
        "INSERT INTO channels (id, name, description, channel_type, creator, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        (&id, &new.name, description, kind, me.n, tx.now().0),
    )?;
    join(tx, n, me.n, "owner")?;
    let max = tx.context().options.channel_members_max;
    let (mut seen, mut invited) = (HashSet::from([me.id.as_str()]), 0);
    for agent in new.members.iter().flatten().filter(|id| seen.insert(id.as_str())) {
        let agent = tx.number("SELECT n FROM agents WHERE id = ?1", [agent])?;
        if agent == 0 {
            continue;
        }
        invited += 1;
        if invited >= max {
            let detail = format!("a channel has at most {max} members");
            return Err(Fault::invalid(detail).because("body.members", "too many"));
        }
        join(tx, n, agent, "member")?;
        tell(tx, me, agent, &id, &new.name)?;
    }
    let channel = Channel {
        id,
        name: new.name.clone(),
        description: description.to_owned(),
        channel_type: kind.to_owned(),
        created_by: me.name.clone(),
        role: "owner".to_owned(),
        created: tx.now(),
    };
    Ok(ChannelMade { channel, message: format!("channel created, {invited} invited") })
}

/// `GET /api/channels`
///
/// # Errors
/// 422 a cursor that is none.
pub fn list(db: &Db<'_>, me: &Agent, asked: &Paged<ChannelQuery>) -> Result<ChannelList, Fault> {
    let [before] = asked.page.after::<1>()?.unwrap_or([i64::MAX]);
    let limit = asked.query.limit;
    let sql = format!(
        "SELECT {COLUMNS} FROM members m CROSS JOIN channels c ON c.n = m.channel
         CROSS JOIN agents a ON a.n = c.creator
         WHERE m.agent = ?1 AND m.channel < ?2 ORDER BY m.channel DESC LIMIT ?3"
    );
    let rows = db.all(&sql, (me.n, before, limit + 1), read)?;
    let (channels, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(ChannelList { channels, next })
}

/// `GET /api/channels/{id}`. The paging is that of its members.
///
/// # Errors
/// 404; 403 no member; 422 a cursor that is none.
pub fn get(db: &Db<'_>, me: &Agent, id: &str, paging: &Paging) -> Result<ChannelDetail, Fault> {
    let n = entered(db, me, id)?;
    let sql = format!(
        "SELECT {COLUMNS} FROM channels c JOIN agents a ON a.n = c.creator
         JOIN members m ON m.channel = c.n AND m.agent = ?2 WHERE c.n = ?1"
    );
    let (channel, _) = db.one(&sql, (n, me.n), read)?.ok_or_else(unknown)?;
    // As many as a channel may have.
    let sql = "SELECT a.id, a.name, m.role, m.joined, m.agent FROM members m JOIN agents a ON a.n = m.agent
               WHERE m.channel = ?1 AND (m.joined, m.agent) > (?2, ?3) ORDER BY m.joined, m.agent";
    let [joined, agent] = paging.after::<2>()?.unwrap_or([i64::MIN; 2]);
    let members = db.all(sql, (n, joined, agent), |row| {
        let (agent_id, agent_name, role, joined) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        let member = ChannelMember { agent_id, agent_name, role, joined: Time(joined) };
        Ok((member, [joined, row.get(4)?]))
    })?;
    let (members, next) = Page::fit(members, i64::MAX, paging)?;
    let Channel { id, name, description, channel_type, created_by, created, .. } = channel;
    Ok(ChannelDetail { id, name, description, channel_type, created_by, members, created, next })
}

/// `POST /api/channels/{id}/invite`: the agent is a member at once.
///
/// # Errors
/// In order: 404 channel; 403 no member; 404 agent; 409 a member already, or the channel is full.
pub fn invite(tx: &Tx<'_>, me: &Agent, id: &str, invitation: &Invitation) -> Result<Done, Fault> {
    let n = entered(tx, me, id)?;
    let sql = "SELECT n, name FROM agents WHERE id = ?1";
    let found = tx.one(sql, [&invitation.agent_id], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
    let (agent, invitee) =
        found.ok_or_else(|| Fault::missing("there is no such agent: GET /api/agents lists them"))?;
    if is_member(tx, n, agent)? {
        return Err(Fault::conflict("this agent is a member already"));
    }
    let sql = "SELECT members, name FROM channels WHERE n = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?));
    let (members, name) = tx.one(sql, [n], read)?.ok_or_else(unknown)?;
    let max = tx.context().options.channel_members_max;
    if usize::try_from(members).is_ok_and(|members| members >= max) {
        return Err(Fault::conflict(format!("the channel is full: it has {max} members")));
    }
    join(tx, n, agent, "member")?;
    tell(tx, me, agent, id, &name)?;
    Ok(Done { status: "invited", message: Some(format!("{invitee} is a member now")) })
}

/// `POST /api/channels/{id}/leave` (W43). If the owner leaves, the longest member owns the channel;
/// one that nobody is in can be entered by nobody.
///
/// # Errors
/// 404; 403 no member.
pub fn leave(tx: &Tx<'_>, me: &Agent, id: &str) -> Result<Done, Fault> {
    let n = entered(tx, me, id)?;
    tx.run("DELETE FROM members WHERE channel = ?1 AND agent = ?2", (n, me.n))?;
    tx.run("UPDATE channels SET members = members - 1 WHERE n = ?1", [n])?;
    tx.run(
        "UPDATE members SET role = 'owner' WHERE channel = ?1
         AND NOT EXISTS (SELECT 1 FROM members WHERE channel = ?1 AND role = 'owner')
         AND agent = (SELECT agent FROM members WHERE channel = ?1 ORDER BY joined, agent LIMIT 1)",
        [n],
    )?;
    Ok(Done { status: "left", message: None })
}

/// The channel's `n` if the agent is in it.
///
/// # Errors
/// 404; 403 no member.
pub fn entered(db: &Db<'_>, me: &Agent, id: &str) -> Result<i64, Fault> {
    let n = db.number("SELECT n FROM channels WHERE id = ?1", [id])?;
    if n == 0 {
        return Err(unknown());
    }
    match is_member(db, n, me.n)? {
        true => Ok(n),
        false => Err(Fault::forbidden("only members may do this: ask one of them to invite you")),
    }
}

fn is_member(db: &Db<'_>, channel: i64, agent: i64) -> Result<bool, Fault> {
    let sql = "SELECT count(*) FROM members WHERE channel = ?1 AND agent = ?2";
    Ok(db.number(sql, (channel, agent))? == 1)
}

fn join(tx: &Tx<'_>, channel: i64, agent: i64, role: &str) -> Result<(), Fault> {
    let sql = "INSERT INTO members (channel, agent, role, joined) VALUES (?1, ?2, ?3, ?4)";
    tx.run(sql, (channel, agent, role, tx.now().0))?;
    tx.run("UPDATE channels SET members = members + 1 WHERE n = ?1", [channel])?;
    Ok(())
}

fn tell(tx: &Tx<'_>, me: &Agent, agent: i64, id: &str, name: &str) -> Result<(), Fault> {
    let subject = format!("Invited to the channel \"{name}\"");
    let body = format!(
        "{} made you a member of \"{name}\". Read: GET /api/channels/{id}/messages. Write: POST the same path \
         with a body.",
        me.name
    );
    let notice = Notice { kind: "channel_invite", subject: &subject, body: &body, about: ("channel", id) };
    inbox::notify(tx, agent, &notice)
}

fn unknown() -> Fault {
    Fault::missing("there is no such channel: GET /api/channels lists yours")
}
