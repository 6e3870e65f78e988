// Lays a page over another one and changes only what differs: what the reader has typed, focused,
// opened or scrolled to stays.
//
// Elements with an id are recognised by it. What a script has put there carries `data-keep` and is
// left alone.

/** Makes `from` like `to`. */
export function morph(from, to) {
  if (from.dataset?.keep !== undefined) return;
  if (from.isEqualNode(to) && !from.querySelector?.('[data-keep]')) return;
  attributes(from, to);
  children(from, to);
}

function attributes(from, to) {
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && name !== 'open') from.removeAttribute(name);
  }
  for (const { name, value } of to.attributes) {
    if (from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
}

function children(from, to) {
  let at = from.firstChild;
  const next = () => { while (at?.dataset?.keep !== undefined) at = at.nextSibling; return at; };
  for (const want of [...to.childNodes]) {
    const known = want.id && [...from.children].find((child) => child.id === want.id);
    if (known) {
      if (known === next()) at = at.nextSibling;
      else from.insertBefore(known, at);
      morph(known, want);
    } else if (next() && alike(at, want)) {
      const node = at;
      at = at.nextSibling;
      if (node.nodeType === Node.ELEMENT_NODE) morph(node, want);
      else if (node.data !== want.data) node.data = want.data;
    } else {
      from.insertBefore(document.importNode(want, true), at);
    }
  }
  while (next()) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

const alike = (a, b) => a.nodeName === b.nodeName && !a.id && !b.id;
