//! The protocol's vectors, run by the scripts that pages use, in the browser they run in.

use super::browser::Browser;
use super::service::Service;
use serde_json::{Value, json};

/// Imports modules of the page under their own names.
const MODULES: &str = "
    const base = new URL('.', document.querySelector('script[type=module]').src);
    const [bytes, msgpack, events, ed25519, keys, work] = await Promise.all(
        ['bytes', 'msgpack', 'events', 'ed25519', 'keys', 'pow'].map((name) => import(`${base}${name}.js`)));";

/// Runs `body` over the vectors; it returns what is wrong.
fn run(vectors: &str, body: &str) {
    let service = Service::start();
    let browser = Browser::start();
    browser.go(&service.url("/docs"));
    let vectors: Value = serde_json::from_str(vectors).expect("JSON");
    let script = format!(
        "(async () => {{ const vectors = {vectors}; const wrong = []; {MODULES} {body} return wrong; }})()"
    );
    assert_eq!(browser.promise(&script), json!([]));
}

#[test]
fn events_are_read_and_checked() {
    run(
        include_str!("../vectors/events.json"),
        "for (const vector of vectors) {
             for (const wire of [vector.wire, vector.wire_other_key_order].filter(Boolean)) {
                 const event = msgpack.decode(bytes.fromHex(wire));
                 await events.check(event).catch((error) => wrong.push(`${vector.name}: ${error.message}`));
                 const tags = bytes.toHex(await events.sha256(events.canonicalTags(event.tags)));
                 if (vector.canonical_tags_sha256 && tags !== vector.canonical_tags_sha256) wrong.push(`${vector.name}: tags ${tags}`);
                 if (bytes.toHex(await events.eventId(event)) !== vector.id) wrong.push(`${vector.name}: id`);
                 const again = msgpack.decode(msgpack.encode(event));
                 await events.check(again).catch((error) => wrong.push(`${vector.name} again: ${error.message}`));
                 for (const change of ['content', 'created_at', 'kind', 'pubkey', 'sig', 'id']) {
                     const other = { ...event };
                     const value = event[change];
                     if (value instanceof Uint8Array) other[change] = Uint8Array.of(...value.slice(0, -1), (value.at(-1) ?? 0) ^ 1);
                     else other[change] = BigInt(value) ^ 1n;
                     if (await events.check(other).then(() => true, () => false)) wrong.push(`${vector.name}: ${change} changed`);
                 }
             }
         }
         if (vectors.length < 20) wrong.push('few vectors');",
    );
}

#[test]
fn malformed_events_are_refused() {
    run(
        include_str!("../vectors/reject.json"),
        "for (const { name, publish } of vectors.cases) {
             // Only a relay has a clock to compare with.
             if (name === 'created_at far ahead') continue;
             const good = await (async () => events.check(msgpack.decode(bytes.fromHex(publish))[1].event))().then(() => true, () => false);
             if (good) wrong.push(name);
         }",
    );
}

#[test]
fn signatures_are_accepted_by_the_relays_rule() {
    run(
        include_str!("../vectors/ed25519_edge.json"),
        "for (const { name, pubkey, message, sig, accept } of vectors.cases) {
             const found = await ed25519.verify(bytes.fromHex(pubkey), bytes.fromHex(message), bytes.fromHex(sig));
             if (found !== accept) wrong.push(`${name}: ${found}`);
         }",
    );
}

/// The contract's vectors: the smallest counter is found where one worker looks, and any found one
/// is a solution.
#[test]
fn work_is_done_as_the_contract_says() {
    run(
        "[[8, 55], [16, 140894]]",
        "for (const [difficulty, smallest] of vectors) {
             const challenge = '00112233445566778899aabbccddeeff';
             const nonce = await work.search(challenge, difficulty).nonce;
             const hash = await events.sha256(new TextEncoder().encode(`${challenge}:${nonce}`));
             const zeros = [...hash].map((byte) => byte.toString(2).padStart(8, '0')).join('').indexOf('1');
             if (zeros < difficulty || Number(nonce) < smallest) wrong.push(`${difficulty}: ${nonce}, ${zeros} zeros`);
             // A long challenge takes another block.
             const long = 'x'.repeat(50);
             for (const text of [long, 'x'.repeat(62), 'x'.repeat(130)]) {
                 const found = await work.search(text, 8).nonce;
                 const [first] = await events.sha256(new TextEncoder().encode(`${text}:${found}`));
                 if (first !== 0) wrong.push(`${text.length} characters`);
             }
         }
         const cancelled = work.search('never', 40);
         cancelled.cancel();
         const said = await cancelled.nonce.catch((error) => error.message);
         if (said !== 'cancelled') wrong.push(`cancel: ${said}`);",
    );
}

/// W47: what is no login's nonce is not signed, whoever asks.
#[test]
fn only_a_logins_nonce_is_signed() {
    run(
        "[]",
        "const key = await keys.make();
         const prefix = new TextEncoder().encode('gather-auth-v1\\0');
         const signed = (nonce) => keys.signLogin(key, nonce).then(() => true, () => false);
         const random = crypto.getRandomValues(new Uint8Array(32));
         if (!(await signed(bytes.concat(prefix, random)))) wrong.push('a login is refused');
         if (await signed(random)) wrong.push('an event id is signed');
         if (await signed(bytes.concat(prefix, random.slice(1)))) wrong.push('a short one is signed');
         if (await signed(bytes.concat(prefix.slice(0, -1), Uint8Array.of(1), random))) wrong.push('a wrong prefix is signed');
         if (await crypto.subtle.exportKey('pkcs8', key.privateKey).then(() => true, () => false)) wrong.push('the key can be exported');",
    );
}

/// The contract's vectors of proofs (3.9): a reviewer's hash and the platform's.
#[test]
fn reviews_are_hashed_as_the_contract_says() {
    run(
        "[]",
        "const { hashOf, ofPlatform, ofReviewer } = await import(`${base}review-form.js`);
         const own = await hashOf(ofReviewer({ skill_id: 's2', task: 't', score: 8, what_worked: 'w', what_failed: 'f' }));
         if (own !== '894941b55bd83df976a9af1acc7850dbecd6ddb258a0be372f20e0460febabf5') wrong.push(`reviewer: ${own}`);
         const review = { skill_id: 's2', task: 'do <b>', cli_output: 'out', score: 7.5, what_worked: 'w&', what_failed: 'f', execution_time_ms: 1200 };
         const platform = await hashOf(await ofPlatform(review));
         if (platform !== '308bf9e0b6fc772c3f3b45df97edc6916b420afa395ac468d77853e692bfa658') wrong.push(`platform: ${platform}`);",
    );
}
