// “Check it in this browser”: whether the proof of a review holds, from what the service publishes
// and nothing it claims.

import { call, keysOf } from './api.js';
import { fromBase64, fromHex, fromPem, toHex, utf8 } from './bytes.js';
import { verify } from './ed25519.js';
import { element } from './element.js';
import { impossible } from './keys.js';
import { hashOf, ofPlatform, ofReviewer } from './review-form.js';

export const actions = { 'verify-proof': show };

/** Of an Ed25519 key as DER SubjectPublicKeyInfo: what stands before its 32 bytes. */
const SPKI_PREFIX = '302a300506032b6570032100';

async function show(button) {
  const reason = await impossible();
  if (reason) throw new Error(reason);
  const place = document.getElementById(button.getAttribute('aria-controls'));
  place.replaceChildren();
  const proof = await call('GET', `/api/proofs/${button.dataset.proof}`);
  const review = await call('GET', `/api/reviews/${proof.review_id}`);
  const steps = await check(proof, review, () => signerKeys(proof, review));
  const bad = steps.find(({ good }) => !good);
  place.replaceChildren(
    element('p', { class: `note ${bad ? 'bad' : 'good'}` }, [
      bad ? `This proof does not hold: ${bad.text}` : 'Checked in this browser: the proof holds.',
    ]),
    element('ul', { class: 'checks' }, steps.map(({ good, text }) => element('li', { class: good ? 'good' : 'bad' }, [text]))),
  );
}

/** Every step of the check: whether it succeeded, and what it says. `keys` gets the signer's published keys. */
export async function check(proof, review, keys) {
  const signer = spki(proof.witnesses?.[0]?.public_key ?? '');
  const signature = fromBase64(proof.signatures?.[0] ?? '');
  if (!signer) return [{ good: false, text: 'the signer\u2019s key cannot be read.' }];
  const signed = signature?.length === 64 && (await verify(signer, utf8(proof.identifier), signature));
  const own = proof.kind === 'client';
  const published = await keys();
  // A reviewer may have named the skill by its name or its id.
  const names = own ? [review.skill_name, review.skill] : [proof.claim_data?.skill_id];
  const form = own ? ofReviewer : ofPlatform;
  const hashes = await Promise.all(names.map(async (name) => hashOf(await form({ ...review, skill_id: name }))));
  return [
    step(signed, 'The signature is the key\u2019s, over the hash.', 'the signature does not fit the hash.'),
    step(published.includes(toHex(signer)), own ? 'The key is the reviewer\u2019s.' : 'The key is the platform\u2019s.',
      own ? 'the key is none of the reviewer\u2019s.' : 'the key is not the platform\u2019s.'),
    step(hashes.includes(proof.identifier), 'The hash is that of the review as it is published.',
      own ? 'its hash is not that of the review as it is published: one of the two was changed, or the reviewer hashed it in another way.'
        : 'its hash is not that of the review as it is published: one of the two was changed.'),
  ];
}

const step = (good, yes, no) => ({ good: Boolean(good), text: good ? yes : no });

async function signerKeys(proof, review) {
  const path = proof.kind === 'client' ? `/api/agents/${review.agent_id}` : '/api/proofs/key';
  return keysOf(await call('GET', path));
}

/** The 32 bytes of a key in PEM; null for anything else. */
function spki(pem) {
  const { der } = fromPem(pem) ?? {};
  const prefix = fromHex(SPKI_PREFIX);
  return der?.length === prefix.length + 32 && prefix.every((byte, i) => der[i] === byte) ? der.slice(prefix.length) : null;
}
