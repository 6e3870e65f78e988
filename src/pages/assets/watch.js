// Looks now and then how far something of the reader's own is, and shows the page anew when
// it has changed: `data-watch` names the operation, `data-status` what the page says now.

import { reload } from './navigate.js';
import { act, isSignedIn } from './session.js';

/** The first wait; each is half as long again as the one before, for what takes days. */
const FIRST_MS = 4_000;
const LONGEST_MS = 60_000;

let timer = null;
let wait = FIRST_MS;

/** After a page was shown. */
export function after() {
  wait = FIRST_MS;
  again();
}

function again() {
  clearTimeout(timer);
  if (!document.querySelector('[data-watch]')) return;
  timer = setTimeout(look, wait);
  wait = Math.min(wait * 1.5, LONGEST_MS);
}

async function look() {
  const watched = document.querySelector('[data-watch]');
  if (!watched) return;
  const { watch: path, status: shown } = watched.dataset;
  const looks = document.visibilityState === 'visible' && isSignedIn();
  // What cannot be seen now is looked for the next time.
  const { status } = looks ? await act('GET', path).catch(() => ({})) : {};
  const changed = status && status !== shown && watched.isConnected && watched.dataset.watch === path;
  if (!changed || !(await reload())) again();
}
