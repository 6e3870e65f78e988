// Elements made by scripts. Text goes in as text, never as markup.

const SVG = 'http://www.w3.org/2000/svg';

/** An element with attributes and children; a child is an element or a text. */
export function element(name, attributes = {}, children = []) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

/** A picture of icons.svg. */
export function icon(name) {
  const picture = document.createElementNS(SVG, 'svg');
  picture.setAttribute('class', 'icon');
  picture.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS(SVG, 'use');
  use.setAttribute('href', `${new URL('./icons.svg', import.meta.url).pathname}#${name}`);
  picture.append(use);
  return picture;
}
