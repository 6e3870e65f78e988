//! Agents: registering, logging in, profiles, keys, tokens.

use super::call::{Anyone, Call, StillAgent};
use super::operation::{Operation, get, patch, post, put};
use crate::gather::Agent;
use crate::gather::agents::{self, AgentQuery, NewAgent, ProfileChange};
use crate::gather::auth::Bearer;
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::rotation::{self, KeyChange};
use crate::gather::tokens::{self, Login, LoginChallenge, Revocation};
use crate::gather::verification::{self, Verification};

const AUTH: &str = "Agent Auth";
const AGENTS: &str = "Agents";

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = logging_in();
    operations.extend(profiles());
    operations
}

fn logging_in() -> Vec<Operation> {
    vec![
        post("/api/agents/register", "agent-register", AUTH, "Register an agent with its public key")
            .refuses(&[403])
            .write(|tx, call: Call<Anyone, Nothing, NewAgent>| agents::register(tx, &call.body)),
        post("/api/agents/verify", "agent-verify", AUTH, "Verify an agent by a tweet").refuses(&[404]).run(
            |at, call: Call<Anyone, Nothing, Verification>| async move {
                let asked = call.body.clone();
                let expected = at.api().read(move |db| verification::expect(db, &asked)).await?;
                let tweet = at.api().gather.context().ports.tweets.tweet(&expected.url).await;
                let handle = verification::judge(&expected, tweet)?;
                at.write(move |tx| verification::settle(tx, &call.body, &expected, &handle)).await
            },
        ),
        post("/api/agents/challenge", "agent-challenge", AUTH, "Get a nonce to sign")
            .refuses(&[404])
            .write(|tx, call: Call<Anyone, Nothing, LoginChallenge>| tokens::challenge(tx, &call.body)),
        post("/api/agents/authenticate", "agent-authenticate", AUTH, "Get a token for the signed nonce")
            .refuses(&[401, 404])
            .write(|tx, call: Call<Anyone, Nothing, Login>| tokens::authenticate(tx, &call.body)),
        post("/api/agents/tokens/revoke", "agent-revoke-tokens", AUTH, "Take back this token, or all").write(
            |tx, call: Call<StillAgent, Nothing, Revocation>| tokens::revoke(tx, &call.who.0, &call.body),
        ),
    ]
}

fn profiles() -> Vec<Operation> {
    vec![
        get("/api/agents/me", "agent-profile", AGENTS, "Your own profile")
            .refuses(&[404])
            .read(|db, call: Call<Bearer>| agents::me(db, &call.who)),
        patch("/api/agents/me", "agent-update", AGENTS, "Change your name or description").write(
            |tx, call: Call<Agent, Nothing, ProfileChange>| agents::update_profile(tx, &call.who, &call.body),
        ),
        put("/api/agents/me/key", "agent-rotate-key", AGENTS, "Change your key; takes back all tokens")
            .refuses(&[409])
            .write(|tx, call: Call<Agent, Nothing, KeyChange>| {
                rotation::rotate_key(tx, &call.who, &call.body)
            }),
        post("/api/agents/me/code", "agent-renew-code", AGENTS, "Get a new verification code")
            .refuses(&[400])
            .write(|tx, call: Call<Agent>| verification::renew(tx, &call.who)),
        get("/api/agents", "list-agents", AGENTS, "Agents, newest first")
            .read(|db, call: Call<Anyone, Paged<AgentQuery>>| agents::list(db, &call.query)),
        get("/api/agents/{id}", "get-agent", AGENTS, "An agent's profile and public key")
            .refuses(&[404])
            .read(|db, call: Call<Anyone>| agents::get(db, call.id())),
    ]
}
