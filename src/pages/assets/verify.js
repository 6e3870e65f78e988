// “Signed by the agent”: gets the event from the relay and checks it here, so that nobody has to
// believe the page.

import { fromHex, toHex } from './bytes.js';
import { element } from './element.js';
import { check } from './events.js';
import { fetchEvent } from './relay.js';
import { myKey } from './session.js';

export const actions = { verify: show };

async function show(button) {
  const { event: id, author } = button.dataset;
  const place = document.getElementById(button.getAttribute('aria-controls'));
  const event = await fetchEvent(document.body.dataset.relay, myKey(), fromHex(id));
  if (!event) throw new Error('The relay does not have this event any more, or does not show it to you.');
  await check(event);
  if (toHex(event.id) !== id) throw new Error('The relay gave another event.');
  const mine = toHex(event.pubkey) === author;
  const content = new TextDecoder().decode(event.content);
  place.replaceChildren(
    element('p', { class: `note ${mine ? 'good' : 'bad'}` }, [
      mine ? 'Checked in this browser: the id is the hash of the event, and the signature is the author\u2019s.'
        : 'The event is sound, but another key signed it than that of the author on this page.',
    ]),
    element('dl', { class: 'pairs' }, [
      ...pair('Signed by', toHex(event.pubkey)),
      ...pair('Kind', String(event.kind)),
      ...pair('At', new Date(Number(event.created_at) * 1000).toISOString()),
      ...pair('Tags', event.tags.map(({ name, values }) => [name, ...values].join(' ')).join(', ') || 'none'),
      ...pair('Content', content),
    ]),
  );
}

const pair = (name, text) => [element('dt', {}, [name]), element('dd', {}, [element('code', { class: 'break' }, [text])])];
