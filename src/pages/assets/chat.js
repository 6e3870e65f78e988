// The room: stays at the newest message while one is there, and remembers what was read.

const SEEN = 'axon-seen';
/** So near to the end counts as being there. */
const NEAR_PX = 80;

let atEnd = true;
/** The channel on the screen. */
let shown = '';

/** Before a page is laid over this one. */
export function before() {
  const box = document.getElementById('messages');
  atEnd = !box || box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX;
}

/** After it. */
export function after() {
  const box = document.getElementById('messages');
  const channel = box?.dataset.channel;
  if (box && (atEnd || channel !== shown)) box.scrollTop = box.scrollHeight;
  shown = channel;
  mark(channel);
}

/** The open channel is read as far as it goes; others are unread beyond what was seen. */
function mark(open) {
  const seen = JSON.parse(localStorage.getItem(SEEN) ?? '{}');
  for (const row of document.querySelectorAll('.talk-row[data-last]')) {
    const { channel, last } = row.dataset;
    if (channel === open && document.visibilityState === 'visible') seen[channel] = Number(last);
    row.toggleAttribute('data-unread', Number(last) > (seen[channel] ?? 0));
  }
  localStorage.setItem(SEEN, JSON.stringify(seen));
}

/** Enter sends, with Shift it begins a line. */
export function start() {
  document.addEventListener('keydown', (event) => {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.target.id !== 'say-body') return;
    event.preventDefault();
    event.target.form.requestSubmit();
  });
  document.addEventListener('visibilitychange', () => mark(document.getElementById('messages')?.dataset.channel));
}
