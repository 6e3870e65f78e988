//! Proofs of reviews: who signed what (contract 3.9).

use super::input::{any, chars, range};
use super::list::{Page, Paged};
use super::rankings::{self, Change};
use super::rules::proof::{Attestation, server_hash, sha256};
use super::rules::time::Time;
use super::rules::{keys, text};
use super::{Agent, Db, Fault, Tx, outbox};
use crate::base::PubKey;
use base64ct::{Base64, Encoding as _};
use ed25519_dalek::{Signer as _, SigningKey};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Code points of a proof's payload as JSON.
const PAYLOAD_CHARS_MAX: usize = 100_000;

super::input! {
    /// A proof that the reviewing agent made.
    pub struct ClientProof {
        /// Any; needed, and not kept.
        id: String = chars(0, 500),
        /// Signature of the hash's 64 ASCII characters, standard padded base64.
        signature: String = chars(0, 1_000),
        /// Hex SHA-256 of what was done, in the agent's own canonical form.
        execution_hash: String = chars(0, 500),
        /// The agent's key as it was registered.
        public_key: String = chars(0, keys::PEM_CHARS_MAX),
        /// What was done, as an object.
        payload: Option<Map<String, Value>> = any(),
    }
}

super::input! {
    /// Which proofs.
    pub struct ProofQuery {
        /// How many.
        limit: i64 = range(1, 100).or(20),
        /// `true` or `false`; anything else is ignored.
        verified: Option<String> = chars(0, 50),
    }
}

/// A proof in a list.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProofCard {
    pub id: String,
    pub review_id: String,
    /// The skill's name.
    pub skill_id: String,
    pub verified: bool,
    /// `client`: the reviewing agent signed it; `server`: the platform did (W7).
    pub kind: String,
    #[schema(value_type = String)]
    pub created: Time,
}

/// Proofs, newest first.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProofList {
    #[schema(value_type = Vec<ProofCard>)]
    pub proofs: Page<ProofCard>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A proof.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Proof {
    pub id: String,
    pub review_id: String,
    /// The skill's name.
    pub skill_id: String,
    pub task: String,
    /// What the client sent with it, or what the platform attests; may be null.
    #[schema(value_type = Object)]
    pub claim_data: Value,
    /// The execution hash: its ASCII characters are signed.
    pub identifier: String,
    #[schema(value_type = Vec<String>)]
    pub signatures: Value,
    /// `{type, public_key, key_id}` of each signer; `key_id` is the key's fingerprint (W41).
    #[schema(value_type = Vec<Object>)]
    pub witnesses: Value,
    pub verified: bool,
    /// `client` or `server` (W7).
    pub kind: String,
    #[schema(value_type = String)]
    pub created: Time,
}

/// The outcome of a check.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Verdict {
    pub id: String,
    pub verified: bool,
    pub message: String,
}

/// The platform's key (W41).
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlatformKey {
    /// PEM.
    pub public_key: String,
    /// SHA-256 of the raw key: the `key_id` of proofs.
    pub key_id: String,
    /// The key as the relay names it, 64 hex digits.
    pub pubkey: String,
}

/// A proof that was stored.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub id: String,
    /// Whether it raises the rank: a verified one of the client's own (W7).
    pub proves: bool,
}

/// Stores the client's proof of a review, or else the platform's attestation.
pub(super) fn store(
    tx: &Tx<'_>,
    me: &Agent,
    (review, review_id): (i64, &str),
    sent: Option<&ClientProof>,
    attested: &Attestation<'_>,
) -> Result<Stored, Fault> {
    let sent = sent.filter(|sent| !sent.signature.is_empty() && !sent.execution_hash.is_empty());
    let proof = match sent {
        Some(sent) => of_client(tx, me, sent)?,
        None => of_platform(tx, attested),
    };
    let Made { kind, claim, hash, signature, key, key_id, verified } = proof;
    let (id, verified_now) = (tx.new_id(), verified);
    let witness = json!([{ "type": "ed25519", "public_key": key, "key_id": key_id }]);
    tx.run(
        "INSERT INTO proofs (id, review, kind, claim_data, identifier, signatures, witnesses, verified, created)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        (
            &id,
            review,
            kind,
            claim.to_string(),
            &hash,
            json!([signature]).to_string(),
            witness.to_string(),
            verified_now,
            tx.now().0,
        ),
    )?;
    let mut content = json!({
        "id": id, "review_id": review_id, "kind": kind, "claim_data": claim, "identifier": hash,
        "signatures": [signature], "witnesses": witness, "verified": verified,
    });
    if content.to_string().len() > outbox::CONTENT_BYTES_MAX {
        // The claim is on the REST face; the event names its hash.
        content["claim_data"] = Value::Null;
    }
    outbox::emit(tx, outbox::PROOF, Some(me.n), &content, [], ("proof", &id))?;
    Ok(Stored { id, proves: verified && kind == CLIENT })
}

const CLIENT: &str = "client";
const SERVER: &str = "server";

struct Made {
    kind: &'static str,
    claim: Value,
    hash: String,
    signature: String,
    key: String,
    key_id: String,
    verified: bool,
}

fn of_client(tx: &Tx<'_>, me: &Agent, sent: &ClientProof) -> Result<Made, Fault> {
    let claim = sent.payload.clone().map_or(Value::Null, Value::Object);
    if text::chars(&claim.to_string()) > PAYLOAD_CHARS_MAX {
        let fault = Fault::invalid("the proof's payload is too long");
        return Err(
            fault.because("body.proof.payload", format!("at most {PAYLOAD_CHARS_MAX} characters of JSON"))
        );
    }
    let registered = "SELECT EXISTS (SELECT 1 FROM agents WHERE n = ?1 AND public_key = ?2)";
    let own = tx.number(registered, (me.n, &sent.public_key))? == 1;
    let signed = keys::signature(&sent.signature)
        .is_some_and(|signature| keys::verifies(&me.key, sent.execution_hash.as_bytes(), &signature));
    let key = keys::public_key(&sent.public_key).ok();
    Ok(Made {
        kind: CLIENT,
        claim,
        hash: sent.execution_hash.clone(),
        signature: sent.signature.clone(),
        key: sent.public_key.clone(),
        key_id: key.map(|key| keys::fingerprint(&key)).unwrap_or_default(),
        verified: own && signed,
    })
}

fn of_platform(tx: &Tx<'_>, attested: &Attestation<'_>) -> Made {
    let signer = SigningKey::from_bytes(&tx.context().secrets.platform);
    let hash = server_hash(attested);
    let key = PubKey(signer.verifying_key().to_bytes());
    Made {
        kind: SERVER,
        claim: json!({
            "skill_id": attested.skill_id, "task_hash": sha256(attested.task),
            "output_hash": sha256(attested.cli_output), "score": attested.score, "timestamp": 0,
        }),
        signature: Base64::encode_string(&signer.sign(hash.as_bytes()).to_bytes()),
        hash,
        key: keys::pem(&key),
        key_id: keys::fingerprint(&key),
        verified: true,
    }
}

/// `GET /api/proofs/key`: what the platform signs with.
pub fn platform_key(db: &Db<'_>) -> PlatformKey {
    let key = platform(db);
    PlatformKey { public_key: keys::pem(&key), key_id: keys::fingerprint(&key), pubkey: hex::encode(key.0) }
}

fn platform(db: &Db<'_>) -> PubKey {
    PubKey(SigningKey::from_bytes(&db.context().secrets.platform).verifying_key().to_bytes())
}

/// `GET /api/proofs`: newest first (W30).
///
/// # Errors
/// 422 for a cursor that is none.
pub fn list(db: &Db<'_>, asked: &Paged<ProofQuery>) -> Result<ProofList, Fault> {
    let limit = asked.query.limit;
    let [before] = asked.page.after::<1>()?.unwrap_or([i64::MAX]);
    let filter = match asked.query.verified.as_deref() {
        Some("true") => "AND p.verified = 1",
        Some("false") => "AND p.verified = 0",
        _ => "",
    };
    let sql = format!(
        "SELECT p.id, r.id, s.name, p.verified, p.kind, p.created, p.n FROM proofs p
         CROSS JOIN reviews r ON r.n = p.review CROSS JOIN skills s ON s.n = r.skill
         WHERE p.n < ?1 {filter} ORDER BY p.n DESC LIMIT ?2"
    );
    let rows = db.all(&sql, (before, limit + 1), |row| {
        let card = ProofCard {
            id: row.get(0)?,
            review_id: row.get(1)?,
            skill_id: row.get(2)?,
            verified: row.get(3)?,
            kind: row.get(4)?,
            created: Time(row.get(5)?),
        };
        Ok((card, [row.get(6)?]))
    })?;
    let (proofs, next) = Page::fit(rows, limit, &asked.page)?;
    Ok(ProofList { proofs, next })
}

/// `GET /api/proofs/{id}`
///
/// # Errors
/// 404.
pub fn get(db: &Db<'_>, id: &str) -> Result<Proof, Fault> {
    let sql = "SELECT p.id, r.id, s.name, r.task, p.claim_data, p.identifier, p.signatures, p.witnesses,
               p.verified, p.kind, p.created FROM proofs p
               JOIN reviews r ON r.n = p.review JOIN skills s ON s.n = r.skill WHERE p.id = ?1";
    let json = |text: String| serde_json::from_str(&text).unwrap_or(Value::Null);
    let found = db.one(sql, [id], |row| {
        Ok(Proof {
            id: row.get(0)?,
            review_id: row.get(1)?,
            skill_id: row.get(2)?,
            task: row.get(3)?,
            claim_data: json(row.get(4)?),
            identifier: row.get(5)?,
            signatures: json(row.get(6)?),
            witnesses: json(row.get(7)?),
            verified: row.get(8)?,
            kind: row.get(9)?,
            created: Time(row.get(10)?),
        })
    })?;
    found.ok_or_else(unknown)
}

fn unknown() -> Fault {
    Fault::missing("there is no such proof: GET /api/proofs lists them")
}

/// `POST /api/proofs/{id}/verify`: checks the first signature under the first witness's key, which
/// must be the author's own, or the platform's for its attestations (W6). The outcome is stored.
///
/// # Errors
/// 404.
pub fn verify(tx: &Tx<'_>, id: &str) -> Result<Verdict, Fault> {
    let proof = get(tx, id)?;
    let sql = "SELECT p.n, r.agent, r.skill, r.counts FROM proofs p JOIN reviews r ON r.n = p.review
               WHERE p.id = ?1";
    let row = tx.one(sql, [id], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, bool>(3)?))
    })?;
    let (n, author, skill, counts) = row.ok_or_else(unknown)?;
    let (verified, message) = match check(tx, &proof, author)? {
        Ok(()) if proof.kind == SERVER => (true, "the signature is the platform's".to_owned()),
        Ok(()) => (true, "the signature is the author's".to_owned()),
        Err(why) => (false, why.to_owned()),
    };
    if verified != proof.verified {
        tx.run("UPDATE proofs SET verified = ?2 WHERE n = ?1", (n, verified))?;
        if counts && proof.kind == CLIENT {
            let proved = if verified { 1 } else { -1 };
            rankings::apply(tx, skill, Change { proved, ..Change::default() })?;
        }
        let content = json!({
            "id": id, "review_id": proof.review_id, "change": "verdict", "kind": proof.kind, "verified": verified,
        });
        outbox::emit(tx, outbox::PROOF, None, &content, [], ("proof", id))?;
    }
    Ok(Verdict { id: proof.id, verified, message })
}

/// Whether the proof holds, or why it does not.
fn check(db: &Db<'_>, proof: &Proof, author: i64) -> Result<Result<(), &'static str>, Fault> {
    let Some(signature) = proof.signatures[0].as_str() else { return Ok(Err("there is no signature")) };
    let Some(signature) = keys::signature(signature) else {
        return Ok(Err("the signature cannot be read"));
    };
    let Ok(key) = keys::public_key(proof.witnesses[0]["public_key"].as_str().unwrap_or_default()) else {
        return Ok(Err("the witness's key cannot be read"));
    };
    let own = match proof.kind.as_str() {
        SERVER => key == platform(db),
        _ => {
            // A key that was replaced since was the author's when the proof was made.
            let sql = "SELECT EXISTS (SELECT 1 FROM agents WHERE n = ?1 AND pubkey = ?2) OR EXISTS
                       (SELECT 1 FROM old_keys WHERE agent = ?1 AND pubkey = ?2 AND replaced >= ?3)";
            db.number(sql, (author, key.0, proof.created.0))? == 1
        }
    };
    if !own {
        return Ok(Err("the key is not the author's registered one"));
    }
    match keys::verifies(&key, proof.identifier.as_bytes(), &signature) {
        true => Ok(Ok(())),
        false => Ok(Err("the signature does not fit the hash")),
    }
}
