// The key: made here or brought in, kept by the browser, never shown to anybody, us included.
//
// The private half is a CryptoKey that cannot be exported; it lies in IndexedDB. It signs three
// things only: logins to this service, events of this agent, and its reviews. A new key signs once
// more, that it takes the place of an old one.

import { concat, fromHex, fromPem, toBase64, toHex, toPem, utf8 } from './bytes.js';
import { hashOf, ofReviewer } from './review-form.js';

const DATABASE = 'axon';
const STORE = 'keys';
const SLOT = 'me';
/** The key that a change under way puts in its place. */
const NEXT = 'next';

/**
 * What a login's nonce must begin with. The same key signs event ids, which are 32 bare bytes: a
 * page that had us sign any 32 bytes could write events in our name.
 */
export const LOGIN_PREFIX = utf8('gather-auth-v1\0');
/** What stands before the old key where a new one agrees to take its place. */
const ROTATION_PREFIX = utf8('gather-key-v1\0');
/** DER: a sequence of version 0, the algorithm Ed25519, and the seed in an octet string. */
const PKCS8_HEAD = '302e0201003005';
const SEED_FOLLOWS = '06032b657004220420';
const NONCE_BYTES = LOGIN_PREFIX.length + 32;

/** Why there can be no keys here, in a sentence; null if there can. */
export async function impossible() {
  if (!window.isSecureContext || !crypto.subtle) {
    return 'Browsers make keys and check signatures only over HTTPS, or on localhost. Open this page at such an address.';
  }
  try {
    await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
    return null;
  } catch {
    return 'This browser does not know Ed25519 keys. Chrome 137, Firefox 129, Safari 17 and later do.';
  }
}

/** A new key. */
export async function make() {
  const pair = await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify']);
  return described(pair.privateKey, pair.publicKey, 'made');
}

/** The key of a PEM file. Throws an Error that says what is wrong with it. */
export async function bringIn(text) {
  const block = fromPem(text);
  if (!block) throw new Error('This is no PEM: it should have lines with BEGIN and END PRIVATE KEY.');
  if (block.label === 'ENCRYPTED PRIVATE KEY') {
    throw new Error('This key has a passphrase. Take it off first: openssl pkey -in key.pem -out plain.pem');
  }
  if (block.label !== 'PRIVATE KEY') throw new Error(`This is a ${block.label.toLowerCase()}; the private key is needed.`);
  const begin = toHex(block.der).indexOf(SEED_FOLLOWS);
  const seed = block.der.slice(begin / 2 + SEED_FOLLOWS.length / 2).slice(0, 32);
  if (begin < 0 || seed.length !== 32) {
    throw new Error('This is no Ed25519 key. Make one with: openssl genpkey -algorithm ed25519 -out agent.pem');
  }
  // Some programs write the public half behind it, which browsers do not read: only the seed counts.
  const pkcs8 = concat(fromHex(PKCS8_HEAD + SEED_FOLLOWS), seed);
  // Readable for a moment: only so does the public half come out of it.
  const readable = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', true, ['sign']);
  const { kty, crv, x } = await crypto.subtle.exportKey('jwk', readable);
  const publicKey = await crypto.subtle.importKey('jwk', { kty, crv, x }, 'Ed25519', true, ['verify']);
  const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, 'Ed25519', false, ['sign']);
  return described(privateKey, publicKey, 'brought');
}

async function described(privateKey, publicKey, origin) {
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', publicKey));
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', raw));
  return { privateKey, publicKey, pem: toPem('PUBLIC KEY', spki), raw, hex: toHex(raw), fingerprint: toHex(digest), origin };
}

/** Keeps a key in this browser, in place of the one before. */
export const keep = (key) => store('readwrite', (keys) => keys.put(key, SLOT));

/** The kept key, or null. */
export async function load() {
  return (await store('readonly', (keys) => keys.get(SLOT))) ?? null;
}

/** Keeps the key that is to take the place of the kept one: the service may know it before we hear so. */
export const keepNext = (key) => store('readwrite', (keys) => keys.put(key, NEXT));

/** The key of a change that has begun and not ended here, or null. */
export async function loadNext() {
  return (await store('readonly', (keys) => keys.get(NEXT))) ?? null;
}

/** This is the key from now on: a change has ended. */
export const settle = (key) => store('readwrite', (keys) => (keys.delete(NEXT), keys.put(key, SLOT)));

/** A change will not be. */
export const dropNext = () => store('readwrite', (keys) => keys.delete(NEXT));

/** Removes the key from this browser. There is no way back without a copy. */
export const forget = () => store('readwrite', (keys) => (keys.delete(NEXT), keys.delete(SLOT)));

/** The signature of a login's nonce, if it is one. */
export async function signLogin(key, nonce) {
  const good = nonce.length === NONCE_BYTES && LOGIN_PREFIX.every((byte, i) => nonce[i] === byte);
  if (!good) throw new Error('The service asked for a signature of something that is no login. Nothing was signed.');
  return sign(key, nonce);
}

/**
 * The signature of a login to the relay. What is signed is a hash that this module's caller made of
 * the relay's nonce and address (relay.js): nobody else chooses it.
 */
export const signRelayLogin = (key, hash) => sign(key, hash);

/** The signature of an event of this agent, by the id that signed.js has made of what the person wrote. */
export const signEvent = (key, id) => sign(key, id);

/**
 * Hash and signature of a review's proof. What is signed are the 64 characters of a hash that is
 * made here: neither an event's id, which has 32 bytes, nor a login.
 */
export async function signProof(key, review) {
  const hash = await hashOf(ofReviewer(review));
  return { hash, signature: toBase64(await sign(key, utf8(hash))) };
}

/** The signature by which a new key agrees to take the place of an old one. */
export const signRotation = (key, oldKey) => sign(key, concat(ROTATION_PREFIX, oldKey));

async function sign(key, bytes) {
  return new Uint8Array(await crypto.subtle.sign('Ed25519', key.privateKey, bytes));
}

function store(mode, work) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open(DATABASE, 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE);
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const request = work(transaction.objectStore(STORE));
      transaction.oncomplete = () => (database.close(), resolve(request.result));
      transaction.onabort = () => (database.close(), reject(transaction.error));
    };
  });
}
