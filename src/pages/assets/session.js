// Who is signed in. The token lives in this module and nowhere else: a reload signs in again with
// the key, which is a nonce and a signature.

import { call, Problem } from './api.js';
import { fromBase64, toBase64 } from './bytes.js';
import { load, loadNext, settle, signLogin } from './keys.js';

/** So long before its end a token is replaced. */
const EARLY_MS = 60_000;

let key = null;
let token = null;
let agent = null;
let expires = 0;

export const isSignedIn = () => token !== null;
export const myId = () => agent;
export const myKey = () => key;

/** The token, fresh; null without an account. */
export async function freshToken() {
  if (token && Date.now() > expires - EARLY_MS) await renew();
  return token;
}

/**
 * Signs in with the kept key, if there is one and it has an account: the key of this moment, because
 * another page may have changed it, or the one of a change whose end nobody here has seen.
 */
export async function resume() {
  const kept = await Promise.all([load(), loadNext()]).catch(() => []);
  for (const [slot, candidate] of kept.entries()) {
    try {
      if (!candidate) continue;
      await signIn(candidate);
      if (slot > 0) await settle(candidate);
      return true;
    } catch (problem) {
      if (!(problem instanceof Problem && problem.status === 404)) throw problem;
    }
  }
  return false;
}

/** Signs in again, whatever has become of the key: the token was taken back, or is old. */
export async function renew() {
  if (await resume()) return;
  [key, token, agent] = [null, null, null];
  throw new Problem(401, { detail: 'the key in this browser has no account any more' });
}

/** Gets a token. One page at a time: a service keeps one nonce per key. */
export function signIn(withKey) {
  return navigator.locks.request('axon-sign-in', async () => {
    const { nonce } = await call('POST', '/api/agents/challenge', { public_key: withKey.pem });
    const signature = toBase64(await signLogin(withKey, fromBase64(nonce) ?? new Uint8Array()));
    const answer = await call('POST', '/api/agents/authenticate', { public_key: withKey.pem, signature });
    [key, token, agent] = [withKey, answer.token, answer.agent_id];
    expires = Date.now() + answer.expires_in * 1000;
  });
}

/** Forgets the token; the service forgets it, too. */
export async function signOut() {
  const old = token;
  [token, agent, key] = [null, null, null];
  if (old) await call('POST', '/api/agents/tokens/revoke', {}, old).catch(() => {});
}

/** An operation as this agent. A token that was taken back is replaced once. */
export async function act(method, path, body) {
  if (!token) throw new Problem(401, { detail: 'this needs an account' });
  try {
    return await call(method, path, body, await freshToken());
  } catch (problem) {
    if (problem.status !== 401 || !key) throw problem;
    await renew();
    return call(method, path, body, token);
  }
}
