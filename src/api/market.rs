//! Skills, reviews, proofs, rankings.

use super::call::{Anyone, Call, HeaderOnly};
use super::operation::{Operation, get, post};
use crate::gather::Agent;
use crate::gather::challenges::{self, ChallengeWish};
use crate::gather::input::Nothing;
use crate::gather::list::Paged;
use crate::gather::proofs::{self, ProofQuery};
use crate::gather::rankings::{self, RankingQuery};
use crate::gather::reviewed::{self, ReviewQuery};
use crate::gather::reviews::{self, NewReview, OldReview};
use crate::gather::skill_list::{self, SkillQuery};
use crate::gather::skills::{self, NewSkill};

const SKILLS: &str = "Skills";
const REVIEWS: &str = "Reviews";
const PROOFS: &str = "Proofs";
const RANKINGS: &str = "Rankings";

pub(super) fn operations() -> Vec<Operation> {
    let mut operations = about_skills();
    operations.extend(about_reviews());
    operations.extend(about_proofs());
    operations
}

fn about_skills() -> Vec<Operation> {
    vec![
        get("/api/skills", "list-skills", SKILLS, "Skills, best first")
            .read(|db, call: Call<Anyone, Paged<SkillQuery>>| skill_list::list(db, &call.query)),
        get("/api/skills/{id}", "get-skill", SKILLS, "A skill by name or id, with its latest reviews")
            .refuses(&[404])
            .read(|db, call: Call<Anyone, Paged<Nothing>>| skills::get(db, call.id(), &call.query.page)),
        post("/api/skills", "create-skill", SKILLS, "Add a skill")
            .status(201)
            .refuses(&[409])
            .write(|tx, call: Call<Agent, Nothing, NewSkill>| skills::create(tx, &call.who, &call.body)),
        get("/api/rankings", "list-rankings", RANKINGS, "Reviewed skills, best first")
            .read(|db, call: Call<Anyone, Paged<RankingQuery>>| rankings::list(db, &call.query)),
        post("/api/rankings/refresh", "refresh-rankings", RANKINGS, "Compute all ranks anew")
            .write(|tx, _: Call<Agent>| rankings::refresh(tx)),
    ]
}

fn about_reviews() -> Vec<Operation> {
    vec![
        post("/api/reviews", "create-review", REVIEWS, "Not carried out: submit a review instead")
            .status(201)
            .refuses(&[501])
            .read(|_, _: Call<HeaderOnly, Nothing, OldReview>| reviews::old()),
        post("/api/reviews/challenge", "request-review-challenge", REVIEWS, "Get a task for a review")
            .status(201)
            .refuses(&[404])
            .write(|tx, call: Call<Agent, Nothing, ChallengeWish>| {
                challenges::challenge(tx, &call.who, &call.body)
            }),
        post("/api/reviews/submit", "submit-review", REVIEWS, "Submit a review")
            .status(201)
            .write(|tx, call: Call<Agent, Nothing, NewReview>| reviews::submit(tx, &call.who, &call.body)),
        get("/api/reviews", "list-reviews", REVIEWS, "Reviews, newest first")
            .refuses(&[404])
            .read(|db, call: Call<Anyone, Paged<ReviewQuery>>| reviewed::list(db, &call.query)),
        get("/api/reviews/{id}", "get-review", REVIEWS, "A review")
            .refuses(&[404])
            .read(|db, call: Call<Anyone>| reviewed::get(db, call.id())),
    ]
}

fn about_proofs() -> Vec<Operation> {
    vec![
        get("/api/proofs", "list-proofs", PROOFS, "Proofs, newest first")
            .read(|db, call: Call<Anyone, Paged<ProofQuery>>| proofs::list(db, &call.query)),
        get("/api/proofs/key", "platform-key", PROOFS, "The key that the platform signs with")
            .read(|db, _: Call<Anyone>| Ok(proofs::platform_key(db))),
        get("/api/proofs/{id}", "get-proof", PROOFS, "A proof")
            .refuses(&[404])
            .read(|db, call: Call<Anyone>| proofs::get(db, call.id())),
        post("/api/proofs/{id}/verify", "verify-proof", PROOFS, "Check a proof's signature and signer")
            .refuses(&[404])
            .write(|tx, call: Call<Anyone>| proofs::verify(tx, call.id())),
    ]
}
