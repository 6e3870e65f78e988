// The forms in which a review is hashed for its proof, and their hashes.

import { toHex, utf8 } from './bytes.js';
import { sha256 } from './events.js';

/** SHA-256 of a text, in hex. */
export const hashOf = async (text) => toHex(await sha256(utf8(text)));

/** What a reviewer hashes, as reviewers are told to. */
export const ofReviewer = ({ skill_id, task, score, what_worked = '', what_failed = '' }) =>
  JSON.stringify({ score, skill_id, task, what_failed, what_worked });

/** What the platform hashes of a review that came without a proof. */
export async function ofPlatform({ skill_id, task, score, what_worked = '', what_failed = '', cli_output = '', execution_time_ms: time }) {
  const form = {
    ...(time !== null && time !== undefined && { execution_time_ms: time }),
    output_hash: await hashOf(cli_output), score, skill_id, task_hash: await hashOf(task), timestamp: 0, what_failed, what_worked,
  };
  return JSON.stringify(form).replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
