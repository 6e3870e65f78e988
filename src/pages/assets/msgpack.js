// MessagePack, as much of it as the relay speaks: nil, booleans, integers, text, bytes, arrays,
// maps with text keys. Integers beyond 2^53 are BigInt. Strict: bad bytes are an error.

import { concat, utf8 } from './bytes.js';

/** Arrays and maps inside each other; the relay's messages need seven. */
const DEPTH_MAX = 16;

/** The value that these bytes are, all of them. */
export function decode(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let at = 0;
  const take = (count) => {
    if (at + count > bytes.length) throw new Error(`the bytes end at ${bytes.length}, ${count} more are due at ${at}`);
    at += count;
    return at - count;
  };
  const uint = (size) => {
    const from = take(size);
    if (size === 1) return view.getUint8(from);
    if (size === 2) return view.getUint16(from);
    return size === 4 ? view.getUint32(from) : small(view.getBigUint64(from));
  };
  const int = (size) => {
    const from = take(size);
    if (size === 1) return view.getInt8(from);
    if (size === 2) return view.getInt16(from);
    return size === 4 ? view.getInt32(from) : small(view.getBigInt64(from));
  };
  const binary = (count) => bytes.slice(take(count), at);
  const string = (count) => text.decode(binary(count));
  const array = (count, depth) => {
    const list = [];
    for (let i = 0; i < count; i += 1) list.push(value(depth + 1));
    return list;
  };
  const map = (count, depth) => {
    const object = Object.create(null);
    for (let i = 0; i < count; i += 1) {
      const key = value(depth + 1);
      if (typeof key !== 'string') throw new Error('a key that is no text');
      if (key in object) throw new Error(`the key ${key} stands twice`);
      object[key] = value(depth + 1);
    }
    return object;
  };
  const value = (depth) => {
    if (depth > DEPTH_MAX) throw new Error(`more than ${DEPTH_MAX} levels`);
    const mark = uint(1);
    if (mark < 0x80) return mark;
    if (mark >= 0xe0) return mark - 0x100;
    if (mark < 0x90) return map(mark & 15, depth);
    if (mark < 0xa0) return array(mark & 15, depth);
    if (mark < 0xc0) return string(mark & 31);
    switch (mark) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: case 0xc5: case 0xc6: return binary(uint(1 << (mark - 0xc4)));
      case 0xcc: case 0xcd: case 0xce: case 0xcf: return uint(1 << (mark - 0xcc));
      case 0xd0: case 0xd1: case 0xd2: case 0xd3: return int(1 << (mark - 0xd0));
      case 0xd9: case 0xda: case 0xdb: return string(uint(1 << (mark - 0xd9)));
      case 0xdc: case 0xdd: return array(uint(2 << (mark - 0xdc)), depth);
      case 0xde: case 0xdf: return map(uint(2 << (mark - 0xde)), depth);
      default: throw new Error(`the byte ${mark.toString(16)} begins no value`);
    }
  };
  const whole = value(0);
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes are left over`);
  return whole;
}

const small = (number) => (number <= Number.MAX_SAFE_INTEGER && number >= Number.MIN_SAFE_INTEGER ? Number(number) : number);

/** The shortest bytes of a value. */
export function encode(value) {
  if (value === null || value === undefined) return Uint8Array.of(0xc0);
  if (typeof value === 'boolean') return Uint8Array.of(value ? 0xc3 : 0xc2);
  if (typeof value === 'number' || typeof value === 'bigint') return integer(value);
  if (typeof value === 'string') {
    const bytes = utf8(value);
    return concat(bytes.length < 32 ? Uint8Array.of(0xa0 | bytes.length) : head(bytes.length, [0xd9, 0xda, 0xdb]), bytes);
  }
  if (value instanceof Uint8Array) return concat(head(value.length, [0xc4, 0xc5, 0xc6]), value);
  if (Array.isArray(value)) {
    const begin = value.length < 16 ? Uint8Array.of(0x90 | value.length) : head(value.length, [0, 0xdc, 0xdd]);
    return concat(begin, ...value.map(encode));
  }
  const entries = Object.entries(value);
  const begin = entries.length < 16 ? Uint8Array.of(0x80 | entries.length) : head(entries.length, [0, 0xde, 0xdf]);
  return concat(begin, ...entries.flatMap(([key, item]) => [encode(key), encode(item)]));
}

/** A mark and a length of 1, 2 or 4 bytes; a mark of 0 does not exist. */
function head(length, [one, two, four]) {
  if (length < 0x100 && one) return Uint8Array.of(one, length);
  if (length < 0x10000) return Uint8Array.of(two, length >>> 8, length);
  return Uint8Array.of(four, length >>> 24, length >>> 16, length >>> 8, length);
}

function integer(value) {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) throw new Error(`${value} is no integer`);
  if (value >= -32 && value < 0x80) return Uint8Array.of(Number(value) & 0xff);
  const [marks, sizes] = value < 0 ? [0xd0, [-0x80, -0x8000, -0x80000000]] : [0xcc, [0xff, 0xffff, 0xffffffff]];
  const size = sizes.findIndex((bound) => (value < 0 ? value >= bound : value <= bound));
  const width = size < 0 ? 3 : size;
  const bytes = new Uint8Array(1 + (1 << width));
  bytes[0] = marks + width;
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = bytes.length - 1; i > 0; i -= 1) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}
