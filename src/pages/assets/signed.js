// What a person writes, signed in this browser and published on the relay: the service does it by the
// same rules as a call (src/gather/events.md), and anybody can check who said it.

import { Problem } from './api.js';
import { toHex, utf8 } from './bytes.js';
import { eventId } from './events.js';
import { signEvent } from './keys.js';
import { listen } from './live.js';
import { publish } from './relay.js';
import { myKey } from './session.js';

const KINDS = { post: 1100, comment: 1101, vote: 1102 };
/** From the relay's Ok until it has taken effect; it takes milliseconds. */
const PATIENCE_MS = 15_000;

/**
 * Publishes it, and returns what the stream of `topics` says of it once it has taken effect. Null if
 * the relay does not take it from here: then nothing was done, and a call can do it.
 */
export async function writeSigned(what, content, tags, topics) {
  const event = await sealed(myKey(), KINDS[what], content, tags);
  const { applied, hush } = outcome(toHex(event.id), topics);
  try {
    await publish(document.body.dataset.relay, myKey(), event);
  } catch (error) {
    if (!error.uncertain) {
      hush();
      return null;
    }
  }
  return applied.finally(hush);
}

async function sealed(key, kind, content, tags) {
  const event = {
    pubkey: key.raw,
    created_at: Math.floor(Date.now() / 1000),
    kind,
    content: utf8(JSON.stringify(content)),
    tags: tags.map(([name, ...values]) => ({ name, values })),
  };
  const id = await eventId(event);
  return { ...event, id, sig: await signEvent(key, id) };
}

/** What becomes of an event: it takes effect, or its author is told in the inbox why it does not. */
function outcome(id, topics) {
  let hush = () => {};
  const applied = new Promise((resolve, reject) => {
    const late = () => reject(new Problem(503, { detail: 'what you wrote is on the relay, and will be shown in a moment' }));
    const timer = setTimeout(late, PATIENCE_MS);
    // From the page's own position: nothing that comes meanwhile is missed.
    const end = listen(`${topics},inbox`, document.getElementById('main').dataset.position, (name, data) => {
      const told = data.content?.body ?? '';
      if (data.event_id === id) resolve(data);
      else if (name === 'notice' && told.includes(id)) reject(refusal(told));
    });
    hush = () => { clearTimeout(timer); end(); };
  });
  // Whoever is hushed does not wait for it.
  applied.catch(() => {});
  return { applied, hush };
}

/** `… was not applied: why; body.tags[0]: what is wrong there` */
function refusal(told) {
  const [detail, ...flaws] = told.replace(/^.*? was not applied: /s, '').split('; ');
  const errors = flaws.map((flaw) => /^(\S+): (.*)$/s.exec(flaw)).filter(Boolean);
  return new Problem(422, { detail, errors: errors.map(([, location, message]) => ({ location, message })) });
}
