//! What an operation is handed: who calls, and what was sent, checked.

use crate::gather::auth::Bearer;
use crate::gather::input::Nothing;
use crate::gather::{Admin, Agent, Db, Fault};

/// A request that has passed all checks. The types say who may call and what is read: they are
/// the declaration.
#[derive(Debug, Clone)]
pub struct Call<W, Q = Nothing, B = Nothing> {
    /// Who calls.
    pub who: W,
    /// The query's parameters.
    pub query: Q,
    /// The body's properties.
    pub body: B,
    /// The path's parameters, decoded, in their order.
    pub path: Vec<String>,
}

impl<W, Q, B> Call<W, Q, B> {
    /// The path's first parameter; empty if it has none.
    pub fn id(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

/// What is asked of the Authorization header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// It is not looked at.
    Public,
    /// It may be there.
    Optional,
    /// It must be there; what it says is not looked at.
    Present,
    /// An agent's token.
    Agent,
    /// An administrator's token.
    Admin,
}

/// Who calls, as a type.
pub trait Who: Sized + Send + 'static {
    const TIER: Tier;

    /// Looks the caller up, in the operation's transaction. `writes`: the operation changes
    /// something.
    ///
    /// # Errors
    /// 401, 403.
    fn admit(db: &Db<'_>, bearer: Option<Bearer>, writes: bool) -> Result<Self, Fault>;
}

/// Everybody.
#[derive(Debug, Clone, Copy)]
pub struct Anyone;

/// Everybody; a good token makes a difference.
#[derive(Debug, Clone)]
pub struct MaybeAgent(pub Option<Bearer>);

/// Everybody who sends an Authorization header.
#[derive(Debug, Clone, Copy)]
pub struct HeaderOnly;

/// An agent, even a suspended one.
#[derive(Debug, Clone)]
pub struct StillAgent(pub Agent);

impl Who for Anyone {
    const TIER: Tier = Tier::Public;

    fn admit(_: &Db<'_>, _: Option<Bearer>, _: bool) -> Result<Self, Fault> {
        Ok(Anyone)
    }
}

impl Who for HeaderOnly {
    const TIER: Tier = Tier::Present;

    fn admit(_: &Db<'_>, _: Option<Bearer>, _: bool) -> Result<Self, Fault> {
        Ok(HeaderOnly)
    }
}

impl Who for MaybeAgent {
    const TIER: Tier = Tier::Optional;

    fn admit(db: &Db<'_>, bearer: Option<Bearer>, writes: bool) -> Result<Self, Fault> {
        Ok(MaybeAgent(bearer.filter(|bearer| Agent::of(db, bearer, writes).is_ok())))
    }
}

/// An agent; one that is suspended only reads (W13).
impl Who for Agent {
    const TIER: Tier = Tier::Agent;

    fn admit(db: &Db<'_>, bearer: Option<Bearer>, writes: bool) -> Result<Self, Fault> {
        Agent::of(db, &bearer.ok_or_else(no_token)?, writes)
    }
}

/// A token that is good; the operation looks up what it stands for.
impl Who for Bearer {
    const TIER: Tier = Tier::Agent;

    fn admit(_: &Db<'_>, bearer: Option<Bearer>, _: bool) -> Result<Self, Fault> {
        bearer.ok_or_else(no_token)
    }
}

impl Who for StillAgent {
    const TIER: Tier = Tier::Agent;

    fn admit(db: &Db<'_>, bearer: Option<Bearer>, _: bool) -> Result<Self, Fault> {
        Agent::of(db, &bearer.ok_or_else(no_token)?, false).map(StillAgent)
    }
}

impl Who for Admin {
    const TIER: Tier = Tier::Admin;

    fn admit(db: &Db<'_>, bearer: Option<Bearer>, _: bool) -> Result<Self, Fault> {
        Admin::of(db, &bearer.ok_or_else(no_token)?)
    }
}

fn no_token() -> Fault {
    Fault::unauthorized("a token is needed: POST /api/agents/challenge, then /api/agents/authenticate")
}
