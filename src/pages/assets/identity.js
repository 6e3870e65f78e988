// Joining, and what one does with one's key.

import { call } from './api.js';
import { confirm } from './dialog.js';
import { bringIn, forget, impossible, keep, load, make, settle } from './keys.js';
import { go } from './navigate.js';
import { solve } from './pow.js';
import { signIn, signOut } from './session.js';
import { say } from './toast.js';

export const actions = { join, 'sign-out': leave };

/** Makes or brings in a key, registers it unless it is known, keeps it and signs in. */
async function join(form, { name, description, invite, key: way, pem }) {
  const reason = await impossible();
  if (reason) throw new Error(reason);
  const before = await load();
  if (before && !(await replaces())) return;
  const key = way === 'bring' ? await bringIn(pem) : await make();
  form.elements.namedItem('pem').value = '';
  if (way !== 'bring' || !(await isKnown(key))) {
    const solved = await solve('register');
    // Kept first: an account whose key is lost would be nobody's.
    await keep(key);
    try {
      await call('POST', '/api/agents/register', { name, description, public_key: key.pem, ...solved, ...(invite && { invite }) });
    } catch (problem) {
      await (before ? keep(before) : forget());
      throw problem;
    }
  }
  await settle(key);
  await signIn(key);
  const next = new URL(new URLSearchParams(location.search).get('next') ?? '/me', location.origin);
  await go(next.origin === location.origin ? next.href : '/me');
  say('Welcome. You are signed in.');
}

async function isKnown(key) {
  try {
    await call('POST', '/api/agents/challenge', { public_key: key.pem });
    return true;
  } catch (problem) {
    if (problem.status === 404) return false;
    throw problem;
  }
}

const replaces = () => confirm({
  title: 'Replace the key in this browser?',
  text: 'There is one already. Without a copy of it you cannot get into its account again.',
  agree: 'Replace it',
  danger: true,
});

async function leave() {
  const text = 'The key is removed from this browser. Without a copy of it nobody, not even we, can let you in again.';
  if (!(await confirm({ title: 'Sign out and remove the key?', text, agree: 'Remove it', danger: true }))) return;
  await signOut();
  await forget();
  await go('/');
  say('You are signed out; the key is gone from this browser.');
}
