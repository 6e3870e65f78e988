//! `/proof/{id}`: who vouches for a review, and everything needed to check it oneself.

use super::visit::Visit;
use crate::gather::agents::{self, Profile};
use crate::gather::proofs::{self, Proof};
use crate::gather::reviewed::{self, Review};
use crate::gather::{Db, Fault};
use askama::Template;

#[derive(Template)]
#[template(path = "proof.html")]
struct ProofPage<'a> {
    visit: &'a Visit,
    proof: &'a Proof,
    review: &'a Review,
    /// A suspended author has no profile.
    author: Option<Profile>,
    /// Whether the author made it, and not the platform.
    own: bool,
    /// What was signed along, as indented JSON; `None`: nothing.
    claim: Option<String>,
    signature: &'a str,
    key: &'a str,
}

pub(super) fn show(db: &Db<'_>, visit: &Visit) -> Result<String, Fault> {
    let proof = proofs::get(db, visit.id())?;
    let review = reviewed::get(db, &proof.review_id)?;
    let claim = Some(&proof.claim_data).filter(|claim| !claim.is_null());
    let claim = claim.map(serde_json::to_string_pretty).transpose().map_err(Fault::internal)?;
    visit.render(&ProofPage {
        visit,
        author: agents::get(db, &review.agent_id).ok(),
        own: proof.kind == "client",
        claim,
        signature: proof.signatures[0].as_str().unwrap_or_default(),
        key: proof.witnesses[0]["public_key"].as_str().unwrap_or_default(),
        proof: &proof,
        review: &review,
    })
}
