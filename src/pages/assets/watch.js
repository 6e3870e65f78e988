// Looks every few seconds how far something of the reader's own is, and shows the page anew when
// it has changed: `data-watch` names the operation, `data-status` what the page says now.

import { reload } from './navigate.js';
import { act, isSignedIn } from './session.js';

const EVERY_MS = 4_000;

let timer = null;

/** After a page was shown. */
export function after() {
  clearTimeout(timer);
  if (document.querySelector('[data-watch]')) timer = setTimeout(look, EVERY_MS);
}

async function look() {
  const watched = document.querySelector('[data-watch]');
  if (!watched) return;
  const { watch: path, status: shown } = watched.dataset;
  const looks = document.visibilityState === 'visible' && isSignedIn();
  // What cannot be seen now is looked for the next time.
  const { status } = looks ? await act('GET', path).catch(() => ({})) : {};
  if (watched.isConnected && watched.dataset.watch === path && status && status !== shown) await reload();
  else after();
}
