// Relative times, kept fresh; the exact one, in the reader's own zone, on hovering.

const EVERY_MS = 30_000;
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: 'full', timeStyle: 'medium' });

/** As the server says it (src/pages/view.rs). */
export function relative(now, then) {
  const seconds = Math.floor((now - then) / 1000);
  const days = Math.floor(seconds / 86_400);
  if (seconds < -60 || days >= 30) return new Date(then).toISOString().slice(0, 10);
  if (seconds < 60) return 'just now';
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)} h ago`;
  return days === 1 ? 'yesterday' : `${days} days ago`;
}

export function refresh(root = document) {
  for (const time of root.querySelectorAll('time[datetime]')) {
    const then = Date.parse(time.dateTime);
    if (Number.isNaN(then)) continue;
    const text = relative(Date.now(), then);
    if (time.textContent !== text) time.textContent = text;
    time.title = exact.format(then);
  }
}

export function start() {
  refresh();
  setInterval(refresh, EVERY_MS);
}
