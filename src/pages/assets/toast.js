// Short messages at the edge of the page.

import { plain, Problem, sentence } from './api.js';
import { element, icon } from './element.js';
import { Cancelled } from './pow.js';

const STAYS_MS = 6_000;

/** Says something that needs no answer. */
export function say(text) {
  show([element('p', {}, [text])], '');
}

/** Says what went wrong and what to do. */
export function complain(error) {
  if (error instanceof Cancelled) return;
  if (!(error instanceof Problem)) console.error(error);
  const parts = [element('p', {}, [explained(error)])];
  const flaws = error.flaws ?? [];
  if (flaws.length) {
    const item = ({ location = '', message }) => element('li', {}, [`${location.replace(/^body\./, '')}: ${plain(message)}`]);
    parts.push(element('ul', {}, flaws.map(item)));
  }
  if (error.advice) parts.push(element('p', {}, [error.advice]));
  show(parts, 'bad');
}

function show(parts, kind) {
  const close = element('button', { type: 'button', 'aria-label': 'Close the message' }, [icon('close')]);
  const toast = element('div', { class: `toast ${kind}` }, [element('div', {}, parts), close]);
  close.addEventListener('click', () => toast.remove());
  document.getElementById('toasts').append(toast);
  // What went wrong stays until it is read.
  if (!kind) setTimeout(() => toast.remove(), STAYS_MS);
}

/** What our own scripts throw is said to people; what a browser throws is a mistake of ours. */
function explained(error) {
  if (error instanceof Problem) return error.said;
  return error.constructor === Error ? sentence(error.message) : 'Something on this page broke. Reload it, then try again.';
}
