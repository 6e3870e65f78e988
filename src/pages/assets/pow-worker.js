// Looks for a nonce: SHA-256 of `challenge:nonce` must begin with so many zero bits. In a worker
// of its own, so that the page stays alive; the hash is written out here because the browser's is
// asynchronous, which costs more than the hashing.

const ROUND = new Int32Array([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
]);
const START = [0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19];
/** Hashes between two reports. */
const REPORT = 50_000;
const words = new Int32Array(64);

/** Takes one block of 64 bytes, at `at` of `bytes`, into the state. */
function compress(state, bytes, at) {
  for (let i = 0; i < 16; i += 1, at += 4) {
    words[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
  }
  for (let i = 16; i < 64; i += 1) {
    const x = words[i - 15];
    const y = words[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    words[i] = (words[i - 16] + s0 + words[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + ROUND[i] + words[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

function zeroBits(state) {
  let bits = 0;
  for (const word of state) {
    bits += Math.clz32(word);
    if (word !== 0) break;
  }
  return bits;
}

/** Tries `first`, `first + step`, … */
function search(challenge, difficulty, first, step) {
  const prefix = new TextEncoder().encode(`${challenge}:`);
  const whole = prefix.length - (prefix.length % 64);
  const middle = new Int32Array(START);
  for (let at = 0; at < whole; at += 64) compress(middle, prefix, at);
  const tail = new Uint8Array(128);
  const state = new Int32Array(8);
  for (let nonce = first, tried = 1; ; nonce += step, tried += 1) {
    const digits = String(nonce);
    tail.fill(0);
    tail.set(prefix.subarray(whole));
    let length = prefix.length - whole;
    for (let i = 0; i < digits.length; i += 1) tail[length++] = digits.charCodeAt(i);
    tail[length] = 0x80;
    const end = length + 9 <= 64 ? 64 : 128;
    const bits = (whole + length) * 8;
    tail[end - 2] = bits >>> 8;
    tail[end - 1] = bits;
    state.set(middle);
    compress(state, tail, 0);
    if (end === 128) compress(state, tail, 64);
    if (zeroBits(state) >= difficulty) return postMessage({ nonce: digits });
    if (tried % REPORT === 0) postMessage({ tried: REPORT });
  }
}

onmessage = ({ data }) => search(data.challenge, data.difficulty, data.first, data.step);
