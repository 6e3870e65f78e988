// The operator's page: the relay's figures every second, and what an administrator does.
//
// The relay counts; rates and percentiles are the difference of two answers, made here.

import { sentence } from './api.js';
import { confirm } from './dialog.js';
import { element, icon } from './element.js';
import { reload } from './navigate.js';
import { act } from './session.js';
import { refresh } from './time.js';
import { say } from './toast.js';

const EVERY_MS = 1_000;
const PARTS = [50, 90, 99];
const SPREADS = ['publish_ms', 'commit_ms', 'sync_ms', 'fanout_ms', 'query_ms'];

let watching = false;
/** The answer before. */
let before = null;
/** What is shown, by the name of its place. */
let shown = new Map();

export const actions = {
  suspend, unsuspend, moderate, 'allow-key': allowKey, 'remove-key': removeKey, 'change-fees': changeFees, 'count-kinds': countKinds, 'list-connections': listConnections, 'close-connection': closeConnection,
};

/** After a page was laid over this one: what is known is shown again, and from now on kept fresh. */
export function after() {
  if (!isHere()) return;
  paint();
  if (!watching) watch();
}

const isHere = () => document.getElementById('relay-live') !== null;
/** Shards that the page has places for. */
const rows = () => document.querySelectorAll('[data-figure^="connections."]').length;

async function watch() {
  watching = true;
  while (isHere() && !document.hidden) {
    const next = pause(EVERY_MS);
    let fault = '';
    try {
      const now = await act('GET', '/api/admin/relay');
      // After a start with another number of shards the tables are others.
      if (isHere() && now.shards.length !== rows()) {
        before = null;
        await reload();
      }
      if (before && now.at_ms > before.at_ms) shown = figures(before, now);
      before = now;
      if (now.log.failure) fault = `Nothing is stored at present: ${now.log.failure}`;
    } catch (error) {
      [before, shown] = [null, new Map()];
      fault = `No figures now. ${error.said ?? sentence(error.message)} Trying again.`;
    }
    if (isHere()) paint(fault);
    await next;
  }
  [watching, before] = [false, null];
}

function paint(fault = '') {
  for (const place of document.querySelectorAll('[data-figure]')) {
    const text = shown.get(place.dataset.figure) ?? '–';
    if (place.textContent !== text) place.textContent = text;
  }
  const note = document.getElementById('live-fault');
  note.hidden = !fault;
  if (note.textContent !== fault) note.textContent = fault;
}

/** Every figure as text, from two answers. */
function figures(old, now) {
  const seconds = (now.at_ms - old.at_ms) / 1000;
  const made = new Map();
  // A relay that was started again counts from 0.
  const grown = (a, b) => Math.max(0, b - a);
  const rate = (a, b) => number(grown(a, b) / seconds);
  const core = (a = 0, b = 0) => (grown(a, b) / seconds * 100).toFixed(1);
  const sum = (of, name) => of.shards.reduce((all, shard) => all + shard[name], 0);
  for (const [place, name] of [['in', 'accepted'], ['out', 'deliveries'], ['refused', 'refused']]) {
    made.set(place, rate(sum(old, name), sum(now, name)));
  }
  for (const name of ['connections', 'subscriptions']) made.set(name, number(sum(now, name)));
  made.set('cpu', core(old.cpu_seconds, now.cpu_seconds));
  made.set('memory', bytes(now.resident_bytes));
  now.shards.forEach((shard, n) => {
    const last = old.shards[n];
    made.set(`in.${n}`, rate(last.accepted, shard.accepted)).set(`out.${n}`, rate(last.deliveries, shard.deliveries));
    for (const name of ['connections', 'subscriptions', 'fallbacks', 'skipped']) made.set(`${name}.${n}`, number(shard[name]));
    for (const name of ['queue_bytes', 'in_flight_bytes']) made.set(`${name}.${n}`, bytes(shard[name]));
    for (const [stage, used] of Object.entries(shard.stages)) made.set(`${stage}.${n}`, core(last.stages[stage], used));
  });
  for (const [stage, used] of Object.entries(now.log.stages)) made.set(`${stage}.log`, core(old.log.stages[stage], used));
  for (const name of ['commits', 'duplicates']) made.set(name, rate(old.log[name], now.log[name]));
  for (const name of ['head', 'commit_queue', 'query_queue']) made.set(name, number(now.log[name]));
  made.set('index_lag', number(grown(now.log.indexed, now.log.head)));
  made.set('closed', Object.entries(now.closed).map(([reason, count]) => `${reason.replaceAll('_', ' ')} ${number(count)}`).join(', ') || 'none');
  for (const part of PARTS) {
    for (const name of SPREADS) made.set(`${name}.${part}`, percentile(old[name], now[name], part, millis));
    for (const name of ['verify_batch', 'commit_batch']) made.set(`${name}.${part}`, percentile(old[name], now[name], part, number));
  }
  return made;
}

/** The bound below which so many percent of the new values lie. */
export function percentile(old, now, part, say) {
  const fresh = now.counts.map((count, n) => Math.max(0, count - old.counts[n]));
  let left = fresh.reduce((all, count) => all + count, 0) * part / 100;
  if (left === 0) return '–';
  const place = fresh.findIndex((count) => (left -= count) <= 0);
  return place < now.bounds.length ? say(now.bounds[place]) : `> ${say(now.bounds.at(-1))}`;
}

const number = (n) => n.toLocaleString('en', { maximumFractionDigits: n < 10 ? 1 : 0 });
const millis = (ms) => (ms < 1 ? `${ms * 1000} µs` : ms < 1000 ? `${ms} ms` : `${ms / 1000} s`);

function bytes(n) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  for (; n >= 1000 && unit < units.length - 1; unit += 1) n /= 1000;
  return `${n.toFixed(unit && n < 100 ? 1 : 0)} ${units[unit]}`;
}

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

async function allowKey(form, { pubkey, name, role }) {
  const text = 'An administrator may change the allowlist, fees and agents, as you may.';
  if (role === 'admin' && !(await confirm({ title: 'Make it an administrator?', text, agree: 'Make it one' }))) return;
  await act('POST', '/api/admin/relay/keys', { pubkey: pubkey.toLowerCase(), name, role });
  form.reset();
  await reload();
  say('The key is allowed now.');
}

async function removeKey({ dataset }) {
  const text = 'Its connections close at once, and it cannot publish or read until it is allowed again.';
  if (!(await confirm({ title: 'Remove this key?', text, agree: 'Remove', danger: true }))) return;
  await act('DELETE', `/api/admin/relay/keys/${dataset.key}`);
  await reload();
  say('The key is removed.');
}

async function changeFees(_, { post_fee_usd, comment_fee_usd, ...numbers }) {
  const change = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, Number(value)]));
  const { message } = await act('PUT', '/api/admin/fees', { post_fee_usd, comment_fee_usd, ...change });
  await reload();
  say(message);
}

async function suspend(form, { agent_id: agent, reason, freeze_balance: freeze }) {
  const { message } = await act('POST', `/api/admin/agents/${encodeURIComponent(agent.trim())}/suspend`, { reason, freeze_balance: freeze === 'on' });
  form.reset();
  await reload();
  say(message);
}

async function unsuspend({ dataset }) {
  const { message } = await act('POST', `/api/admin/agents/${dataset.agent}/unsuspend`);
  await reload();
  say(message);
}

async function moderate(form, { thing, what }) {
  const text = 'This cannot be undone. The author is paid nothing back.';
  if (!(await confirm({ title: 'Delete it?', text, agree: 'Delete', danger: true }))) return;
  const { message } = await act('DELETE', `/api/admin/${what}/${encodeURIComponent(thing.trim())}`);
  form.reset();
  await reload();
  say(message);
}

/** The key whose connections are shown; empty: everybody's. */
let shownKey = '';

async function listConnections(_, { key }) {
  shownKey = key.trim().toLowerCase();
  await showConnections();
}

async function closeConnection({ dataset }) {
  const text = 'What is due is answered first. It may connect again at once: to keep a key away, take it off the allowlist.';
  if (!(await confirm({ title: 'Close this connection?', text, agree: 'Close', danger: true }))) return;
  await act('DELETE', `/api/admin/relay/connections/${dataset.connection}`);
  await reload();
  await showConnections();
  say('The connection is closed.');
}

async function showConnections() {
  const { open, matching, connections } = await act('GET', `/api/admin/relay/connections?limit=200&key=${encodeURIComponent(shownKey)}`);
  const head = ['Who', 'Since', 'Follows', 'Queued', 'In flight', ''];
  const row = (cells) => element('tr', {}, cells);
  const titles = head.map((title, n) => element('th', { scope: 'col', ...(n > 2 && { class: 'num' }) }, [title || element('span', { class: 'hidden' }, ['Close'])]));
  const rows = connections.map((one) => row([
    element('td', {}, whose(one)),
    element('td', {}, [element('time', { datetime: new Date(one.since * 1000).toISOString() }, [''])]),
    element('td', { class: 'break' }, follows(one)),
    element('td', { class: 'num' }, [bytes(one.queued_bytes), ...(one.behind && one.queued_bytes ? [' ', element('span', { class: 'badge' }, ['slow'])] : [])]),
    element('td', { class: 'num' }, [bytes(one.in_flight_bytes)]),
    element('td', { class: 'num' }, [element('button', {
      class: 'button quiet small danger', type: 'button', 'data-action': 'close-connection', 'data-connection': one.id, 'aria-label': `Close the connection of ${one.name || one.pubkey || one.address}`,
    }, [icon('close')])]),
  ]));
  const said = `${number(connections.length)} of ${number(matching)} shown; ${number(open)} open in all.`;
  const table = element('table', { class: 'table' }, [element('thead', {}, [row(titles)]), element('tbody', {}, rows)]);
  const wrap = element('div', { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Connections' }, [table]);
  const shownNow = element('div', { class: 'stack', 'data-keep': '' }, [...(rows.length ? [wrap] : []), element('p', { class: 'soft small' }, [said])]);
  document.getElementById('connections').replaceChildren(shownNow);
  refresh(shownNow);
}

function whose({ name, pubkey, address }) {
  const key = pubkey ? element('code', { title: pubkey }, [`${pubkey.slice(0, 16)}…`]) : element('span', { class: 'soft' }, ['not logged in']);
  return [...(name ? [element('strong', {}, [name]), ' '] : []), key, element('br'), element('span', { class: 'soft small' }, [address])];
}

function follows({ follows: some, subscriptions }) {
  const lines = some.map(({ sub_id: name, filter }) => element('div', {}, [element('code', {}, [name]), ` ${filter}`]));
  if (subscriptions > some.length) lines.push(element('div', { class: 'soft small' }, [`and ${number(subscriptions - some.length)} more`]));
  return lines.length ? lines : [element('span', { class: 'soft' }, ['nothing'])];
}

async function countKinds() {
  const { read, events, kinds } = await act('GET', '/api/admin/relay/kinds');
  const cell = (text, head) => element(head ? 'th' : 'td', head ? { scope: 'col', class: 'num' } : { class: 'num' }, [text]);
  const rows = kinds.map((row) => element('tr', {}, [cell(String(row.kind)), cell(number(row.events)), cell(bytes(row.bytes))]));
  const table = element('table', { class: 'table' }, [
    element('thead', {}, [element('tr', {}, [cell('Kind', true), cell('Events', true), cell('Bytes', true)])]), element('tbody', {}, rows),
  ]);
  const from = element('p', { class: 'soft small' }, [read < events ? `Estimated from ${number(read)} events.` : 'Counted, not estimated.']);
  const wrap = element('div', { class: 'table-wrap', tabindex: '0', role: 'region', 'aria-label': 'Stored by kind' }, [table]);
  document.getElementById('kinds').replaceChildren(element('div', { class: 'stack', 'data-keep': '' }, [wrap, from]));
}
