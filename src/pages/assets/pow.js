// Proof of work, with a bar that shows how far it is and a button that ends it.

import { call } from './api.js';
import { open } from './dialog.js';

const WORKERS = Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1));

/** Thrown when the person does not want to go on. */
export class Cancelled extends Error {}

/**
 * A solved challenge of this purpose, as the fields that requests carry. Shows a dialog if it takes
 * more than a moment.
 */
export async function solve(purpose, token) {
  const { challenge, difficulty } = await call('POST', '/api/pow/challenge', { purpose }, token);
  const dialog = open('pow', {
    title: 'Your computer is working',
    text: 'A few seconds of computing instead of a moderator: it keeps the noise out.',
    cancel: 'Cancel',
    afterMs: 400,
  });
  const work = search(challenge, difficulty, (share, secondsLeft) => {
    dialog.progress(share, secondsLeft > 1 ? `about ${Math.ceil(secondsLeft)} s` : 'any moment now');
  });
  dialog.onCancel(() => work.cancel());
  try {
    return { pow_challenge: challenge, pow_nonce: await work.nonce };
  } finally {
    dialog.close();
  }
}

/** Searches in workers; `onProgress` gets the chance that it would be done by now, and seconds. */
export function search(challenge, difficulty, onProgress) {
  const expected = 2 ** difficulty;
  const begun = performance.now();
  let workers = [];
  let tried = 0;
  const end = () => { workers.forEach((worker) => worker.terminate()); workers = []; };
  let cancel;
  const nonce = new Promise((resolve, reject) => {
    cancel = () => { end(); reject(new Cancelled('cancelled')); };
    for (let first = 0; first < WORKERS; first += 1) {
      const worker = new Worker(new URL('./pow-worker.js', import.meta.url));
      worker.onerror = () => { end(); reject(new Error('The work could not be done in this browser.')); };
      worker.onmessage = ({ data }) => {
        if (data.nonce !== undefined) {
          end();
          resolve(data.nonce);
          return;
        }
        tried += data.tried;
        const perSecond = tried / ((performance.now() - begun) / 1000);
        onProgress?.(1 - Math.exp(-tried / expected), Math.max(0, expected - tried) / perSecond);
      };
      worker.postMessage({ challenge, difficulty, first, step: WORKERS });
      workers.push(worker);
    }
  });
  return { nonce, cancel };
}
