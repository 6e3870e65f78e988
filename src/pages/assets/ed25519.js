// Checks a signature by exactly the relay's rule (protocol, section 1): the browser's own verifier
// takes keys of small order, and differs from others in signatures made strange on purpose. Only
// public values come here, so it need not be constant in time.

const P = 2n ** 255n - 19n;
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const D = 37095705934669439343138083508754565189542113879843219016388785533085940283555n;
const ROOT_OF_MINUS_1 = 19681161376707505956807079304988542015446066515923890162744021073123829784752n;
const BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202n;
const BASE_Y = 46316835694926478169428394003475163141307993866256225615783033603165251855960n;

const mod = (n) => ((n % P) + P) % P;
const point = (x, y) => [x, y, 1n, mod(x * y)];
const BASE = point(BASE_X, BASE_Y);
const ZERO = point(0n, 1n);

/** Whether `signature` is one of `key` over `message`. All are bytes. */
export async function verify(key, message, signature) {
  const r = signature.slice(0, 32);
  const [A, R, s] = [decode(key), decode(r), integer(signature.slice(32))];
  if (!A || !R || signature.length !== 64 || s >= L) return false;
  if (isZero(times(8n, A)) || isZero(times(8n, R)) || !isZero(times(L, A))) return false;
  const all = new Uint8Array([...r, ...key, ...message]);
  const k = integer(new Uint8Array(await crypto.subtle.digest('SHA-512', all))) % L;
  const difference = add(times(s, BASE), negated(add(times(k, A), R)));
  return isZero(times(8n, difference));
}

/** The point of 32 bytes in their one canonical form; null for any others. */
function decode(bytes) {
  if (bytes.length !== 32) return null;
  const whole = integer(bytes);
  const [sign, y] = [whole >> 255n, whole & (2n ** 255n - 1n)];
  if (y >= P) return null;
  const y2 = mod(y * y);
  let x = root(mod(y2 - 1n), mod(D * y2 + 1n));
  if (x === null || (x === 0n && sign === 1n)) return null;
  if ((x & 1n) !== sign) x = P - x;
  return point(x, y);
}

/** The square root of u / v, if there is one. */
function root(u, v) {
  const v3 = mod(v * v * v);
  let x = mod(u * v3 * power(mod(u * v3 * v3 * v), (P - 5n) / 8n));
  const square = mod(v * x * x);
  if (square === mod(-u)) x = mod(x * ROOT_OF_MINUS_1);
  else if (square !== u) return null;
  return x;
}

function power(base, exponent) {
  let result = 1n;
  for (let e = exponent, b = base; e > 0n; e >>= 1n, b = mod(b * b)) if (e & 1n) result = mod(result * b);
  return result;
}

/** The little-endian number of some bytes. */
const integer = (bytes) => bytes.reduceRight((number, byte) => (number << 8n) | BigInt(byte), 0n);

function add([x1, y1, z1, t1], [x2, y2, z2, t2]) {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * D * t1 * t2);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function times(scalar, of) {
  let sum = ZERO;
  for (let rest = scalar, doubled = of; rest > 0n; rest >>= 1n, doubled = add(doubled, doubled)) {
    if (rest & 1n) sum = add(sum, doubled);
  }
  return sum;
}

const negated = ([x, y, z, t]) => [mod(-x), y, z, mod(-t)];
const isZero = ([x, y, z]) => x === 0n && y === z;
