// Calls of the service's operations. A refusal becomes a Problem that says what to do.

export class Problem extends Error {
  constructor(status, body, retrySeconds) {
    super(body.detail || body.title || `the service answered ${status}`);
    this.status = status;
    this.flaws = Array.isArray(body.errors) ? body.errors : [];
    this.retrySeconds = retrySeconds;
  }

  /** What is wrong with a property of the body, or an empty text. */
  about(name) {
    const flaw = this.flaws.find(({ location = '' }) => location === `body.${name}` || location.startsWith(`body.${name}[`));
    return flaw ? plain(flaw.message) : '';
  }

  /** What is wrong, as src/pages/words.rs says it to people: what names an operation is left out. */
  get said() {
    const [said, hint] = parted(this.message);
    const isForPrograms = /^(GET|POST|PUT|PATCH|DELETE) | \//.test(hint) || (this.retrySeconds && /^try again/.test(hint));
    return sentence(isForPrograms ? said : this.message);
  }

  /** What is wrong, and what to do. */
  get sentence() {
    return [this.said, this.advice].filter(Boolean).join(' ');
  }

  /** What a person can do now. */
  get advice() {
    if (this.retrySeconds) return `Try again in ${lasting(this.retrySeconds)}.`;
    switch (this.status) {
      case 0: return 'Check the connection, then try again.';
      case 401: return 'Reload the page to sign in again.';
      case 402: return 'Put something on your account: see your profile.';
      case 403: return 'If you think you should be able to, ask the operator.';
      case 404: return 'It may have been deleted, or its id has a mistake.';
      default: return this.status >= 500 ? 'It is not your fault. Try again in a moment.' : '';
    }
  }
}

/** What operations say of a property, and what people are told. */
const FLAWS = [
  [/^expected length <= (\d+), it is (\d+)$/, 'This has $2 characters; $1 is the most.'],
  [/^expected length >= 1, it is 0$/, 'This must not be empty.'],
  [/^expected length >= (\d+), it is (\d+)$/, 'This has $2 characters; $1 is the least.'],
  [/^expected number <= /, 'This must be at most '],
  [/^expected number >= /, 'This must be at least '],
  [/^expected integer$/, 'This must be a whole number.'],
  [/^expected at (most|least) (\d+) items$/, 'This must be at $1 $2 of them.'],
  [/^1 to (\d+) of \[a-z0-9-\]$/, 'Each has 1 to $1 characters of a\u2013z, 0\u20139 and -.'],
  [/^expected /, 'This must be '],
];

/** A flaw for people. */
export function plain(message) {
  const [found, said] = FLAWS.find(([pattern]) => pattern.test(message)) ?? [];
  return sentence(found ? message.replace(found, said) : message);
}

/** What stands before the first colon, and what behind it. */
function parted(text) {
  const at = text.indexOf(': ');
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 2)];
}

/** A text as a sentence. */
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.');

/** The keys of a published profile, the one of now first; 64 hex digits each. */
export const keysOf = ({ pubkey, old_keys: former = [] }) => [pubkey, ...former.map((key) => key.pubkey)];

/** `40 s`, `12 minutes`, `23 hours` */
const lasting = (seconds) => {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7_200 ? `${Math.ceil(seconds / 60)} minutes` : `${Math.ceil(seconds / 3_600)} hours`;
};

/**
 * The answer's JSON; a body is sent as JSON, too, unless it is a form with files. A write carries a key by which it is done once, however often it is sent, and
 * is sent again when the connection broke.
 */
export async function call(method, path, body, token) {
  const headers = { Accept: 'application/json' };
  const form = body instanceof FormData;
  if (body !== undefined && !form) headers['Content-Type'] = 'application/json';
  if (token) headers.Authorization = `Bearer ${token}`;
  if (method !== 'GET') headers['Idempotency-Key'] = crypto.randomUUID();
  const request = { method, headers, body: body === undefined || form ? body : JSON.stringify(body) };
  let response;
  for (let attempt = 0; !response; attempt += 1) {
    try {
      response = await fetch(path, request);
    } catch {
      if (attempt === 2) throw new Problem(0, { detail: 'the service cannot be reached' });
      await new Promise((resolve) => setTimeout(resolve, 300 * 2 ** attempt));
    }
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Problem(response.status, answer, Number(response.headers.get('Retry-After')) || 0);
}
