// The relay itself, over its WebSocket: as much as a page needs to look at events.

import { concat, utf8 } from './bytes.js';
import { sha256 } from './events.js';
import { signRelayLogin } from './keys.js';
import { decode, encode } from './msgpack.js';

const CHALLENGE = 1;
const AUTH = 2;
const OK = 3;
const ERROR = 4;
const SUBSCRIBE = 5;
const ENVELOPE = 8;
const EOSE = 9;
const PATIENCE_MS = 10_000;

/** The stored event of this id; null if the relay has none, or does not show it to this key. */
export function fetchEvent(url, key, id) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const end = (finish, value) => { clearTimeout(timer); socket.close(); finish(value); };
    const timer = setTimeout(() => end(reject, new Error('The relay does not answer.')), PATIENCE_MS);
    socket.onerror = () => end(reject, new Error(`The relay at ${url} cannot be reached.`));
    let found = null;
    socket.onmessage = async ({ data }) => {
      try {
        const [type, payload] = decode(new Uint8Array(data));
        if (type === CHALLENGE) {
          const sig = await signRelayLogin(key, await sha256(concat(payload.nonce, utf8(url))));
          socket.send(encode([AUTH, { pubkey: key.raw, sig }]));
        } else if (type === OK) {
          socket.send(encode([SUBSCRIBE, { sub_id: 'look', filter: { ids: [id], limit: 1 } }]));
        } else if (type === ENVELOPE) {
          found = payload.event;
        } else if (type === EOSE) {
          end(resolve, found);
        } else if (type === ERROR) {
          end(reject, new Error(`The relay refused: ${payload.message}.`));
        }
      } catch (error) {
        end(reject, error);
      }
    };
  });
}
