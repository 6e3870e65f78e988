// What a person with a screen reader, a keyboard or weak eyes would stumble over on this page: the
// rules of WCAG 2.2 A and AA that can be computed. Returns a list of sentences.
(() => {
  const found = [];
  const seen = (el) => {
    if (!el.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) return false;
    const box = el.getBoundingClientRect();
    return box.width > 0 && box.height > 0;
  };
  const hiddenFromReaders = (el) => el.closest('[aria-hidden="true"]') !== null;
  const name = (el) => `<${el.localName}${el.id ? `#${el.id}` : ''}${el.className && typeof el.className === 'string' ? `.${el.className.trim().replace(/\s+/g, '.')}` : ''}> “${(el.textContent || '').trim().slice(0, 40)}”`;
  const say = (el, what) => found.push(`${name(el)}: ${what}`);
  const all = (selector) => [...document.querySelectorAll(selector)].filter(seen);

  // The name that is read out.
  const spoken = (el) => {
    const by = el.getAttribute('aria-labelledby');
    if (by) return by.split(/\s+/).map((id) => document.getElementById(id)?.textContent ?? '').join(' ').trim();
    if (el.getAttribute('aria-label')) return el.getAttribute('aria-label').trim();
    if (el.labels?.length) return [...el.labels].map((label) => label.textContent).join(' ').trim();
    const parts = [...el.childNodes].map((child) => {
      if (child.nodeType === Node.TEXT_NODE) return child.data;
      if (child.nodeType !== Node.ELEMENT_NODE || child.getAttribute('aria-hidden') === 'true') return '';
      return child.localName === 'svg' ? child.getAttribute('aria-label') ?? '' : spoken(child);
    });
    return (parts.join(' ') || el.title || '').trim();
  };

  // Structure.
  if (document.documentElement.lang === '') found.push('the page has no language');
  if (!document.title.trim()) found.push('the page has no title');
  for (const [selector, count] of [['main', 1], ['body > header', 1], ['body > footer', 1]]) {
    if (document.querySelectorAll(selector).length !== count) found.push(`there must be ${count} ${selector}`);
  }
  const ids = new Map();
  for (const el of document.querySelectorAll('[id]')) {
    if (ids.has(el.id)) say(el, 'this id stands twice');
    ids.set(el.id, el);
  }
  for (const attribute of ['aria-labelledby', 'aria-describedby', 'aria-controls', 'for']) {
    for (const el of document.querySelectorAll(`[${attribute}]`)) {
      for (const id of el.getAttribute(attribute).split(/\s+/)) if (!ids.has(id)) say(el, `${attribute} names ${id}, which is not there`);
    }
  }
  const headings = all('h1, h2, h3, h4, h5, h6').filter((el) => !hiddenFromReaders(el));
  if (headings.filter((el) => el.localName === 'h1').length !== 1) found.push('there must be one h1');
  const inOrder = [...document.querySelectorAll('main h1, main h2, main h3, main h4, main h5, main h6')].filter((el) => el.checkVisibility());
  inOrder.reduce((before, el) => {
    const level = Number(el.localName[1]);
    if (before && level > before + 1 && !el.closest('.prose')) say(el, `follows an h${before}`);
    return level;
  }, 0);
  for (const el of all('ul, ol')) {
    for (const child of el.children) if (!['LI', 'SCRIPT', 'TEMPLATE'].includes(child.nodeName)) say(child, 'stands in a list and is no item');
  }
  const landmarks = all('nav, [role="search"], section[aria-labelledby]');
  const navigations = landmarks.filter((el) => el.localName === 'nav');
  for (const el of navigations) if (!spoken(el) || !el.hasAttribute('aria-label') && !el.hasAttribute('aria-labelledby')) say(el, 'a navigation without a name');

  // Names.
  for (const el of all('a[href], button, input:not([type="hidden"]), textarea, select, summary, [role="button"], [role="region"], [role="log"], progress, dialog')) {
    if (!hiddenFromReaders(el) && !spoken(el)) say(el, 'has no name');
  }
  for (const el of all('img')) if (!el.hasAttribute('alt')) say(el, 'has no alt');
  for (const el of all('svg')) if (!hiddenFromReaders(el) && !el.getAttribute('aria-label')) say(el, 'a picture without a name');
  for (const el of all('th')) if (!el.hasAttribute('scope') && !el.closest('.prose')) say(el, 'a head of a table without scope');

  // A time is said from now, the exact one on hovering.
  for (const el of document.querySelectorAll('time')) if (!el.title || Number.isNaN(Date.parse(el.dateTime))) say(el, 'a time without the exact one');

  // Keyboard.
  for (const el of document.querySelectorAll('[tabindex]')) if (el.tabIndex > 0) say(el, 'a tabindex above 0');
  for (const el of document.querySelectorAll('[aria-hidden="true"] a, [aria-hidden="true"] button, [aria-hidden="true"] input')) say(el, 'can be focused and is not read out');
  for (const el of all('main *, aside *')) {
    const style = getComputedStyle(el);
    const scrolls = el.scrollWidth > el.clientWidth + 1 && /auto|scroll/.test(style.overflowX);
    if (scrolls && el.tabIndex < 0 && !el.querySelector('a[href], button')) say(el, 'scrolls and cannot be reached by keyboard');
  }
  // Targets of a finger (2.5.8): 24 by 24, or alone in their row of text.
  for (const el of all('button, a.button, .nav-item, input:not([type="hidden"], [type="radio"], [type="checkbox"]), select')) {
    const box = el.getBoundingClientRect();
    if (box.width < 24 || box.height < 24) say(el, `is ${Math.round(box.width)} by ${Math.round(box.height)} pixels`);
  }

  // Nothing is cut off at the side.
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) {
    const culprit = [...document.querySelectorAll('body *')].find((el) => el.getBoundingClientRect().right > innerWidth + 1 && seen(el));
    found.push(`the page is ${wide} pixels wider than the window: ${culprit ? name(culprit) : '?'}`);
  }

  // Contrast, as WCAG computes it.
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const rgba = (color) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [x, y, z]) => [r * a + x * (1 - a), g * a + y * (1 - a), b * a + z * (1 - a), 1];
  const light = (color) => color.slice(0, 3).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = (el) => {
    const layers = [];
    for (let at = el; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
    return layers.reverse().reduce((below, layer) => over(layer, below), rgba(getComputedStyle(document.documentElement).colorScheme.includes('dark') && matchMedia('(prefers-color-scheme: dark)').matches ? '#000' : '#fff'));
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const checked = new Set();
  while (texts.nextNode()) {
    const el = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || checked.has(el) || !seen(el) || el.closest('svg, noscript, [disabled], [aria-disabled="true"], [aria-busy="true"].button, .hidden')) continue;
    checked.add(el);
    const style = getComputedStyle(el);
    const size = parseFloat(style.fontSize);
    const big = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const back = ground(el);
    const contrast = ratio(over(rgba(style.color), back), back);
    if (contrast < (big ? 3 : 4.5)) say(el, `a contrast of ${contrast.toFixed(2)}`);
  }
  for (const el of all('input:not([type="radio"], [type="checkbox"], [type="hidden"]), textarea, select')) {
    const style = getComputedStyle(el);
    const back = ground(el.parentElement);
    const fill = ratio(over(rgba(style.backgroundColor), back), back);
    const edge = ratio(over(rgba(style.borderTopColor), back), back);
    if (Math.max(fill, edge) < 3) say(el, `a field whose edge has a contrast of ${Math.max(fill, edge).toFixed(2)}`);
  }
  return found;
})()
