// Changing the key. The new one is kept beside the old one before the service hears of it: whatever
// is interrupted, one of the two opens the account, and session.js finds out which.

import { Problem } from './api.js';
import { toBase64 } from './bytes.js';
import { confirm } from './dialog.js';
import { element } from './element.js';
import { bringIn, dropNext, impossible, keepNext, loadNext, make, settle, signRotation } from './keys.js';
import { go, reload } from './navigate.js';
import { act, myKey, signIn } from './session.js';
import { say } from './toast.js';

export const actions = { 'change-key': change, 'finish-key': () => alone(finish), 'drop-key': () => alone(drop) };

/** After these nothing has changed; after others nobody here knows. */
const REFUSALS = [400, 403, 409, 422, 429];

/** After a page was shown: says so if a change was begun and not ended. */
export async function after() {
  const next = document.getElementById('unfinished') && (await loadNext().catch(() => null));
  document.getElementById('unfinished')?.replaceChildren(...(next ? [note(next)] : []));
}

const note = ({ fingerprint }) => element('div', { class: 'note stack-s', 'data-keep': '' }, [
  element('p', {}, ['A change of your key was begun in this browser and was interrupted. Until it is finished your old key is good.']),
  element('p', { class: 'small' }, ['Fingerprint of the new key: ', element('code', { class: 'break' }, [fingerprint])]),
  element('p', { class: 'row' }, [
    element('button', { class: 'button primary small', type: 'button', 'data-action': 'finish-key' }, ['Finish it']),
    element('button', { class: 'button small', type: 'button', 'data-action': 'drop-key' }, ['Keep the old key']),
  ]),
]);

async function change(form, { key: way, pem }) {
  const reason = await impossible();
  if (reason) throw new Error(reason);
  const key = way === 'bring' ? await bringIn(pem) : await make();
  const text = 'The old key stops working at once: here, on the relay, and in every program that has it. This cannot be taken back.';
  if (!(await confirm({ title: 'Change your key?', text, agree: 'Change it', danger: true }))) return;
  form.elements.namedItem('pem').value = '';
  await alone(async () => {
    // Another one may be the account's already, and this browser the only place where it is.
    if (await loadNext()) {
      await after();
      throw new Error('A change was begun before. Finish it first, or keep the old key: see above.');
    }
    await carryOut(key);
  });
}

async function finish() {
  const key = await loadNext();
  if (key) await carryOut(key);
}

/** One page at a time. */
const alone = (work) => navigator.locks.request('axon-key', work);

async function carryOut(key) {
  await keepNext(key);
  const signature = toBase64(await signRotation(key, myKey().raw));
  try {
    await act('PUT', '/api/agents/me/key', { public_key: key.pem, signature });
  } catch (problem) {
    // An answer that was lost: by now the session has found out that the new key is the account's.
    if (myKey()?.hex !== key.hex) {
      if (problem instanceof Problem && REFUSALS.includes(problem.status)) await dropNext();
      await after();
      throw problem;
    }
  }
  await settle(key);
  await signIn(key);
  await go('/me');
  say('Your key is changed. The old one is gone from this browser.');
}

/** Only what the service does not know is dropped: the last answer may have been lost. */
async function drop() {
  const key = await loadNext();
  try {
    if (key) await signIn(key);
  } catch (problem) {
    if (!(problem instanceof Problem && problem.status === 404)) throw problem;
    await dropNext();
    await after();
    say('Your old key stays.');
    return;
  }
  if (key) await settle(key);
  await reload();
  say('The change had been made already: the new key is yours.');
}
