// What runs on every page.

import * as actions from './actions.js';
import * as chat from './chat.js';
import { element, icon } from './element.js';
import { listen } from './live.js';
import * as navigate from './navigate.js';
import { resume } from './session.js';
import * as rotation from './rotation.js';
import * as time from './time.js';
import { complain } from './toast.js';
import * as watch from './watch.js';

/**
 * Several events within this time are shown together; a little random, so that not all readers ask
 * at once. A conversation feels immediate; of the whole feed many hear at the same time.
 */
const GATHER_MS = 250;
const GATHER_FEED_MS = 3_000;
/** A page that could not be renewed is tried again after this time. */
const AGAIN_MS = 2_000;

let hush = () => {};
let heardOn = '';

/** Listens to what the page on the screen is about. */
function attach() {
  time.refresh();
  chat.after();
  watch.after();
  rotation.after();
  if (document.getElementById('relay-live')) import('./operator.js').then(({ after }) => after(), complain);
  const main = document.getElementById('main');
  const { live = '', liveMode: mode, position } = main.dataset;
  const page = live + location.pathname + location.search;
  if (page === heardOn) return;
  hush();
  // What is opened in the background listens when it is looked at.
  heardOn = document.hidden ? '' : page;
  hush = () => {};
  if (!live || document.hidden) return;
  let count = 0;
  let timer = null;
  const end = listen(live, position, (name, { id }) => {
    if (mode === 'pill') {
      if (name === 'post' && !document.getElementById(`post-${id}`)) pill((count += 1));
      return;
    }
    renew(live.startsWith('feed') ? GATHER_FEED_MS : GATHER_MS);
  });
  const renew = (ms) => {
    timer ??= setTimeout(async () => {
      timer = null;
      if (heardOn === page && !(await navigate.reload())) renew(AGAIN_MS);
    }, ms * (1 + Math.random()));
  };
  hush = () => { clearTimeout(timer); end(); };
}

/** New posts do not push away what is being read: a button says how many there are. */
function pill(count) {
  const text = `${count} new ${count === 1 ? 'post' : 'posts'}`;
  const button = element('button', { class: 'button primary pill', type: 'button' }, [icon('up'), text]);
  button.addEventListener('click', () => { heardOn = ''; navigate.go('/feed?sort=newest'); });
  document.getElementById('pill')?.replaceChildren(button);
}

/**
 * A page nobody looks at does not listen: browsers open six connections to a service, whatever the
 * number of tabs. When it is looked at again it is made new.
 */
async function rest() {
  if (document.hidden) {
    hush();
    heardOn = '';
    return;
  }
  // Until it listens again: a service that is away now comes back.
  while (!document.hidden && !(await navigate.reload()) && heardOn === '') {
    await new Promise((resolve) => { setTimeout(resolve, AGAIN_MS); });
  }
}

async function begin() {
  time.start();
  navigate.start({ before: chat.before, after: attach });
  actions.start();
  chat.start();
  try {
    if (await resume()) await navigate.reload();
  } catch (error) {
    complain(error);
  } finally {
    document.documentElement.dataset.ready = '';
  }
  attach();
  document.addEventListener('visibilitychange', rest);
}

begin();
