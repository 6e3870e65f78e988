// Events of the relay: read strictly, their id computed again, their signature checked.

import { concat, fromHex, toHex, utf8 } from './bytes.js';
import { verify } from './ed25519.js';

const KEYS = ['content', 'created_at', 'id', 'kind', 'pubkey', 'sig', 'tags'];
const U16 = 0xffff;

const isBytes = (value, length) => value instanceof Uint8Array && (length === undefined || value.length === length);
const isWhole = (value) => Number.isSafeInteger(value) || typeof value === 'bigint';
const sameKeys = (map, keys) => map !== null && typeof map === 'object' && Object.keys(map).sort().join() === keys.join();

/** An event as the service writes it; what is wrong with it is for `check`. */
export const fromJson = ({ id, pubkey, created_at, kind, content, tags, sig }) => ({
  id: fromHex(id), pubkey: fromHex(pubkey), created_at, kind, content: utf8(content), sig: fromHex(sig),
  tags: tags.map(([name, ...values]) => ({ name, values })),
});

/** What is wrong with an event's form, in a sentence; null if nothing is. */
export function flaw(event) {
  if (!sameKeys(event, KEYS)) return 'it has not exactly the seven keys of an event';
  if (!isBytes(event.id, 32) || !isBytes(event.pubkey, 32) || !isBytes(event.sig, 64)) return 'id, key or signature has a wrong length';
  if (!isBytes(event.content)) return 'its content is no bytes';
  if (!isWhole(event.created_at) || event.created_at < 0 || event.created_at > 2n ** 63n - 1n) return 'its time is out of range';
  if (!isWhole(event.kind) || event.kind < 0 || event.kind > U16) return 'its kind is out of range';
  if (!Array.isArray(event.tags) || event.tags.length > U16) return 'its tags are no list';
  for (const tag of event.tags) {
    if (!sameKeys(tag, ['name', 'values']) || typeof tag.name !== 'string' || !Array.isArray(tag.values)) return 'a tag is no tag';
    if (utf8(tag.name).length > U16 || tag.values.length > U16) return 'a tag is too long';
    if (!tag.values.every((value) => typeof value === 'string')) return 'a value of a tag is no text';
  }
  return sorted(event.tags).some(([, , twice]) => twice) ? 'two tags have the same name and first value' : null;
}

/** The bytes that the id is the hash of. */
export async function canonical(event) {
  return concat(
    number(32, 2), event.pubkey, number(event.created_at, 8), number(event.kind, 2), number(event.content.length, 4),
    event.content, await sha256(canonicalTags(event.tags)),
  );
}

export function canonicalTags(tags) {
  const parts = [number(tags.length, 2)];
  for (const [tag, name] of sorted(tags)) {
    parts.push(number(name.length, 2), name, number(tag.values.length, 2));
    for (const value of tag.values.map(utf8)) parts.push(number(value.length, 4), value);
  }
  return concat(...parts);
}

export const eventId = async (event) => sha256(await canonical(event));

/** Whether the event is what its author signed; throws an Error that says what is wrong. */
export async function check(event) {
  const wrong = flaw(event);
  if (wrong) throw new Error(`This is no event: ${wrong}.`);
  const id = await eventId(event);
  if (toHex(id) !== toHex(event.id)) throw new Error('The id is not the hash of what the event says: it was changed.');
  if (!(await verify(event.pubkey, event.id, event.sig))) throw new Error('The signature is not the author\u2019s.');
}

/** Each tag with its name's bytes, in canonical order, and whether it equals the one before. */
function sorted(tags) {
  const order = tags.map((tag) => [tag, utf8(tag.name), utf8(tag.values[0] ?? '')]);
  order.sort(([, a, x], [, b, y]) => compare(a, b) || compare(x, y));
  return order.map(([tag, name, first], i) => {
    const before = order[i - 1];
    return [tag, name, before !== undefined && !compare(before[1], name) && !compare(before[2], first)];
  });
}

function compare(a, b) {
  for (let i = 0; i < Math.min(a.length, b.length); i += 1) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** Big-endian. */
function number(value, width) {
  const bytes = new Uint8Array(width);
  let rest = BigInt(value);
  for (let i = width - 1; i >= 0; i -= 1, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
