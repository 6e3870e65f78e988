// The relay itself, over its WebSocket: as much as a page needs to publish an event.

import { concat, utf8 } from './bytes.js';
import { sha256 } from './events.js';
import { signRelayLogin } from './keys.js';
import { decode, encode } from './msgpack.js';

const CHALLENGE = 1;
const AUTH = 2;
const OK = 3;
const ERROR = 4;
const PUBLISH = 7;
/** The code of an event that is stored already: as good as Ok. */
const DUPLICATE = 409;
/** The code of a write whose outcome is not known. */
const UNKNOWN = 503;
const PATIENCE_MS = 10_000;

/**
 * Logs in and publishes an event; done when it is on the relay's disk. An Error that is `uncertain`
 * leaves it open whether it is.
 */
export function publish(url, key, event) {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url);
    socket.binaryType = 'arraybuffer';
    const end = (finish, value) => { clearTimeout(timer); socket.close(); finish(value); };
    const fail = (text, uncertain = said) => end(reject, Object.assign(new Error(text), { uncertain }));
    const timer = setTimeout(() => fail('The relay does not answer.'), PATIENCE_MS);
    let said = false;
    socket.onerror = () => fail(`The relay at ${url} cannot be reached.`);
    socket.onclose = () => fail('The relay has closed the connection.');
    socket.onmessage = async ({ data }) => {
      try {
        const [type, payload] = decode(new Uint8Array(data));
        if (type === CHALLENGE) {
          const sig = await signRelayLogin(key, await sha256(concat(payload.nonce, utf8(url))));
          socket.send(encode([AUTH, { pubkey: key.raw, sig }]));
        } else if (type === ERROR && !(said && payload.code === DUPLICATE)) {
          fail(`The relay refused: ${payload.message}.`, said && payload.code === UNKNOWN);
        } else if (said && (type === OK || type === ERROR)) {
          end(resolve);
        } else if (type === OK) {
          said = true;
          socket.send(encode([PUBLISH, { event }]));
        }
      } catch (error) {
        end(reject, error);
      }
    };
  });
}
