// What happens elsewhere, as it happens: server-sent events, resumed by the position in the log.
// By fetch and not by EventSource, because private topics need the token.

import { freshToken, isSignedIn, renew } from './session.js';

const RETRY_MS = [1_000, 2_000, 5_000, 10_000, 30_000];

/**
 * Listens to these topics from a position (or from now) until the returned function is called.
 * `heard` gets each event once, in order: its name, its data, its position. An event `again` says
 * that some may be missing.
 */
export function listen(topics, after, heard) {
  const ended = new AbortController();
  run(topics, after, heard, ended.signal);
  return () => ended.abort();
}

async function run(topics, after, heard, signal) {
  let position = after;
  for (let failures = 0; !signal.aborted; failures += 1) {
    try {
      const response = await connect(topics, position, signal);
      if (response.status === 400 && position) {
        // The log is another one, or shorter: what is there now is the beginning.
        position = undefined;
        heard('again', {}, position);
        continue;
      }
      // Taken back from elsewhere: the key gets another one.
      if (response.status === 401 && isSignedIn() && failures < RETRY_MS.length) await renew();
      // What is refused is refused the next time, too; what is busy is not.
      else if (response.status >= 400 && response.status < 500 && response.status !== 429) return;
      if (response.ok) {
        for await (const event of events(response.body)) {
          failures = -1;
          position = event.id || position;
          if (event.name !== 'open' && !signal.aborted) heard(event.name, event.data, position);
        }
      }
    } catch {
      if (signal.aborted) return;
    }
    await pause(RETRY_MS[Math.max(0, Math.min(failures, RETRY_MS.length - 1))], signal);
  }
}

async function connect(topics, position, signal) {
  const token = await freshToken();
  const headers = { Accept: 'text/event-stream' };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (position) headers['Last-Event-ID'] = position;
  return fetch(`/api/stream?topics=${encodeURIComponent(topics)}`, { headers, signal });
}

/** The events of a stream. */
export async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value: text } = await reader.read();
    if (done) return;
    const blocks = (rest + text).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const event = { name: 'message', id: '', data: '' };
      for (const line of block.split('\n')) {
        const [, field, value] = /^([a-z]*): ?(.*)$/s.exec(line) ?? [];
        if (field === 'event') event.name = value;
        if (field === 'id') event.id = value;
        if (field === 'data') event.data += value;
      }
      if (event.data) yield { ...event, data: parsed(event.data) };
    }
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** A little longer or shorter each time: not everybody comes back in the same moment. */
const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms * (0.75 + Math.random() / 2));
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
});
