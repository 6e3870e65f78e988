// What buttons and forms do: `data-action` names a function here. It gets the element, and for a
// form its fields and the button that sent it.

import { confirm } from './dialog.js';
import { element } from './element.js';
import { actions as identity } from './identity.js';
import { actions as market } from './market.js';
import { actions as members } from './members.js';
import { go, reload } from './navigate.js';
import { solve } from './pow.js';
import { actions as proofs } from './proof.js';
import { actions as rotation } from './rotation.js';
import { act, freshToken, isSignedIn } from './session.js';
import { actions as shop } from './shop.js';
import { writeSigned } from './signed.js';
import { complain, say } from './toast.js';
import { actions as verification } from './verify.js';

const ACTIONS = { vote, comment, reply, write, 'delete-post': deletePost, 'delete-comment': deleteComment, ...identity, ...market, ...members, ...proofs, ...rotation, ...shop, ...verification };
/** These one may do without an account. */
const FREE = new Set([...Object.keys({ ...identity, ...proofs, ...verification }), 'preview']);

export function start() {
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (!form.dataset.action) return;
    event.preventDefault();
    const fields = Object.fromEntries(new FormData(form, event.submitter));
    run(form, event.submitter ?? form, fields);
  });
  document.addEventListener('click', (event) => {
    const button = event.target.closest?.('button[data-action]');
    if (button) run(button, button, {});
    const copy = event.target.closest?.('button[data-copy]');
    if (copy) copyText(copy.dataset.copy);
  });
  document.addEventListener('change', (event) => {
    const action = event.target.dataset?.change;
    if (action) run(event.target, event.target, {}, action);
  });
}

/** Once at a time, with the button busy, and with every failure said. */
async function run(source, button, fields, name = source.dataset.action) {
  if (button.getAttribute('aria-busy') === 'true') return;
  if (!FREE.has(name) && !isSignedIn()) {
    await invite();
    return;
  }
  button.setAttribute('aria-busy', 'true');
  clearErrors(source);
  try {
    // What is not known here is an operator's, who loads it.
    const action = ACTIONS[name] ?? (await import('./operator.js')).actions[name];
    await action(source, fields, button);
  } catch (error) {
    if (!mark(source, error)) complain(error);
  } finally {
    button.removeAttribute('aria-busy');
  }
}

async function invite() {
  const text = 'Writing and voting need an account. It takes a name and a few seconds; there is no password.';
  const here = `/join?next=${encodeURIComponent(location.pathname + location.search)}`;
  if (await confirm({ title: 'Join first', text, agree: 'Join' })) go(here);
}

/** Shows each flaw at its field; whether all of them have one. */
function mark(source, error) {
  if (!(source instanceof HTMLFormElement) || !error.about || !error.flaws.length) return false;
  let first = null;
  for (const { location = '' } of error.flaws) {
    const name = /^body\.([a-z_]+)/.exec(location)?.[1];
    const field = name && source.elements.namedItem(name);
    if (!field) return false;
    const id = `${field.id || name}-error`;
    field.setAttribute('aria-invalid', 'true');
    field.setAttribute('aria-describedby', id);
    field.after(element('p', { class: 'field-error', id, 'data-keep': '' }, [error.about(name)]));
    first ??= field;
  }
  first?.focus();
  return true;
}

function clearErrors(source) {
  for (const field of source.querySelectorAll?.('[aria-invalid]') ?? []) {
    field.removeAttribute('aria-invalid');
    document.getElementById(field.getAttribute('aria-describedby'))?.remove();
    field.removeAttribute('aria-describedby');
  }
}

async function copyText(id) {
  const place = document.getElementById(id);
  try {
    await navigator.clipboard.writeText(place.textContent.trim());
    say('Copied.');
  } catch {
    // Not over plain HTTP, and not where the person forbids it.
    getSelection().selectAllChildren(place);
    say('This browser lets no page copy here. The text is selected: copy it with the keyboard.');
  }
}

async function vote(form, { value }) {
  const wanted = Number(value) === Number(form.dataset.mine) ? 0 : Number(value);
  const { post } = form.dataset;
  const signed = await writeSigned('vote', { value: wanted }, [['post', post]], `post:${post}`);
  const { score } = signed ? await act('GET', `/api/posts/${post}`) : await voteByCall(post, wanted);
  form.dataset.mine = wanted;
  form.querySelector('output').textContent = score.toLocaleString('en').replace('-', '\u2212');
  for (const button of form.querySelectorAll('button')) button.setAttribute('aria-pressed', Number(button.value) === wanted);
}

async function voteByCall(post, value) {
  const { new_score: score } = await act('POST', `/api/posts/${post}/vote`, { value });
  return { score };
}

async function comment(form, { body }) {
  const { post, comment: answered } = form.dataset;
  const said = answered ? { body, reply_to: answered } : { body };
  const signed = await writeSigned('comment', said, [['post', post]], `post:${post}`);
  if (!signed) await act('POST', `/api/posts/${post}/comments`, said);
  form.reset();
  if (answered) form.remove();
  await reload();
  say('Your comment is there.');
}

function reply(button) {
  const { comment: id, author } = button.dataset;
  const known = document.getElementById(`reply-${id}`);
  if (known) {
    known.querySelector('textarea').focus();
    return;
  }
  const field = element('textarea', { id: `reply-${id}-body`, name: 'body', rows: '2', maxlength: '2000', required: '' });
  const cancel = element('button', { class: 'button quiet', type: 'button' }, ['Cancel']);
  const form = element(
    'form',
    { class: 'compose', id: `reply-${id}`, 'data-action': 'comment', 'data-comment': id, 'data-keep': '' },
    [
      element('label', { for: field.id }, [`Your answer to ${author}`]),
      field,
      element('div', { class: 'row' }, [element('button', { class: 'button primary', type: 'submit' }, ['Answer']), cancel]),
    ],
  );
  form.dataset.post = document.getElementById('compose').dataset.post;
  cancel.addEventListener('click', () => { form.remove(); button.focus(); });
  button.closest('.comment-foot').after(form);
  field.focus();
}

async function write(_, { title, summary, body, tags }) {
  const words = tags.split(/[\s,]+/).map((tag) => tag.replace(/^#/, '').toLowerCase()).filter(Boolean);
  const solved = await solve('post', await freshToken());
  const said = { title, summary, body, tags: words };
  // The relay's filters find a post by its tags only where they stand in the event, too.
  const marks = [['pow', solved.pow_challenge, solved.pow_nonce], ...words.map((tag) => ['t', tag])];
  const signed = await writeSigned('post', said, marks, 'feed');
  const post = signed ?? await act('POST', '/api/posts', { ...said, ...solved });
  await go(`/post/${post.id}`);
  say('Your post is there.');
}

async function deletePost({ dataset }) {
  const text = 'Its comments and votes go with it. This cannot be undone, and what it cost is not given back.';
  if (!(await confirm({ title: 'Delete this post?', text, agree: 'Delete', danger: true }))) return;
  await act('DELETE', `/api/posts/${dataset.post}`);
  await go('/feed');
  say('The post is deleted.');
}

async function deleteComment({ dataset }) {
  const text = 'Answers to it stay. This cannot be undone.';
  if (!(await confirm({ title: 'Delete this comment?', text, agree: 'Delete', danger: true }))) return;
  await act('DELETE', `/api/comments/${dataset.comment}`);
  await reload();
  say('The comment is deleted.');
}
