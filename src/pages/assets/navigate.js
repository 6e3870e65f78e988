// Goes from page to page without losing the token: the next page is asked for with it, and laid
// over this one. Without scripts the same links and forms work by themselves.

import { Problem } from './api.js';
import { morph } from './morph.js';
import { freshToken, isSignedIn, renew } from './session.js';
import { complain } from './toast.js';

const PAGE = 'text/html';
let around = { before() {}, after() {} };
/** The request under way, and whether it is for another page. */
let going = null;

/** Has links and searches stay in this document; `hooks` are called around every arrival. */
export function start(hooks) {
  around = hooks;
  history.scrollRestoration = 'manual';
  document.addEventListener('click', (event) => {
    const link = event.target.closest?.('a[href]');
    if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    if (link.target || link.dataset.out !== undefined || link.hasAttribute('download') || link.origin !== location.origin) return;
    // Within the page the browser knows the way.
    if (link.hash && link.pathname === location.pathname && link.search === location.search) return;
    event.preventDefault();
    go(link.href);
  });
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== 'get' || form.dataset.action) return;
    event.preventDefault();
    const url = new URL(form.action);
    url.search = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ''));
    go(url.href);
  });
  addEventListener('popstate', (event) => load(location.href, { scroll: event.state?.scroll ?? 0 }));
  addEventListener('scrollend', remember);
}

/** Opens another page of ours. */
export async function go(href) {
  remember();
  const url = new URL(href, location.href);
  if (await load(url.href, { scroll: 0, focus: true })) history.pushState({ scroll: 0 }, '', url);
  if (url.hash) document.getElementById(url.hash.slice(1))?.scrollIntoView();
}

/** Asks for this page again and changes what is different; whether that went well. */
export const reload = () => load(location.href, { stay: true });

const remember = () => history.replaceState({ ...history.state, scroll: scrollY }, '');

async function load(href, { scroll, focus, stay }) {
  // The token is for this service.
  if (new URL(href).origin !== location.origin) throw new Error(`${href} is elsewhere`);
  // Whoever is on the way to another page goes there.
  if (stay && going?.leaves) return false;
  going?.request.abort();
  const mine = { request: new AbortController(), leaves: !stay };
  going = mine;
  const main = document.getElementById('main');
  main.setAttribute('aria-busy', 'true');
  try {
    let { response, page } = await ask(href, mine.request.signal);
    if (isSignedIn() && page.querySelector('#top:not([data-lost]) [data-guest]')) {
      // The token was taken back from elsewhere: the key gets another one.
      await renew();
      ({ response, page } = await ask(href, mine.request.signal));
    }
    if (!response.headers.get('Content-Type')?.startsWith(PAGE) || !page.getElementById('main')) {
      // Something that is no page of ours is the browser's; an outage leaves the reader where he is.
      if (response.status >= 500) throw new Problem(response.status, { detail: 'the service is not ready' });
      if (!stay) location.assign(href);
      return false;
    }
    // What scripts have put on a page belongs to it, and not to the next one.
    if (!stay) main.querySelectorAll('[data-keep]').forEach((kept) => kept.remove());
    show(page);
    if (scroll !== undefined) scrollTo(0, scroll);
    if (focus) main.focus({ preventScroll: true });
    return true;
  } catch (error) {
    // What was not asked for by anybody is tried again by whoever did.
    if (error.name !== 'AbortError' && !stay) complain(error);
    return false;
  } finally {
    if (going === mine) {
      going = null;
      main.removeAttribute('aria-busy');
    }
  }
}

async function ask(href, signal) {
  const token = await freshToken();
  const headers = { Accept: PAGE, ...(token && { Authorization: `Bearer ${token}` }) };
  const response = await fetch(href, { headers, signal }).catch((error) => {
    throw error.name === 'AbortError' ? error : new Problem(0, { detail: 'the service cannot be reached' });
  });
  return { response, page: new DOMParser().parseFromString(await response.text(), PAGE) };
}

function show(page) {
  around.before();
  document.title = page.title;
  // A page that could not say who looks is no reason to forget it.
  const parts = page.getElementById('top')?.dataset.lost === undefined ? ['top', 'main'] : ['main'];
  for (const id of parts) morph(document.getElementById(id), page.getElementById(id));
  around.after();
}
