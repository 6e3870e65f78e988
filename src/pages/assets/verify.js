// “Signed by the agent”: gets the event as it lies in the relay's log and checks it here, so that nobody
// has to believe the page. It needs no account: what is signed is as public as the record it made.

import { call, keysOf } from './api.js';
import { toHex } from './bytes.js';
import { element } from './element.js';
import { check, fromJson } from './events.js';
import { impossible } from './keys.js';

export const actions = { verify: show };

async function show(button) {
  const reason = await impossible();
  if (reason) throw new Error(reason);
  const { event: id, agent } = button.dataset;
  const place = document.getElementById(button.getAttribute('aria-controls'));
  const event = await call('GET', `/api/events/${id}`).then(fromJson, (problem) => {
    if (problem.status !== 404) throw problem;
    throw new Error('This is not there any more: its author has changed or deleted it, or the relay has let go of it. Reload the page.');
  });
  await check(event);
  if (toHex(event.id) !== id) throw new Error('The service gave another event.');
  // A suspended author has no profile, and so no keys to compare with.
  const keys = await call('GET', `/api/agents/${agent}`).then(keysOf, (problem) => {
    if (problem.status === 404) return [];
    throw problem;
  });
  const at = keys.indexOf(toHex(event.pubkey));
  const content = new TextDecoder().decode(event.content);
  place.replaceChildren(
    element('p', { class: `note ${at < 0 ? 'bad' : 'good'}` }, [verdict(at, keys.length > 0)]),
    element('dl', { class: 'pairs' }, [
      ...pair('Signed by', toHex(event.pubkey)),
      ...pair('Kind', String(event.kind)),
      ...pair('At', new Date(Number(event.created_at) * 1000).toISOString()),
      ...pair('Tags', event.tags.map(({ name, values }) => [name, ...values].join(' ')).join(', ') || 'none'),
      ...pair('Content', content),
    ]),
  );
}

/** By the place of the signing key among the author's, of which the first is the one of now. */
function verdict(at, known) {
  if (!known) return 'The event is sound, but its author is suspended: there is no profile to compare the key with.';
  if (at < 0) return 'The event is sound, but another key signed it than those of the author on this page.';
  const which = at > 0 ? ', by a key that the author has replaced since' : '';
  return `Checked in this browser: the id is the hash of the event, and the signature is the author\u2019s${which}.`;
}

const pair = (name, text) => [element('dt', {}, [name]), element('dd', {}, [element('code', { class: 'break' }, [text])])];
