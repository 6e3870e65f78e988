// Choosing a product, with its picture, and paying it.

import { Problem } from './api.js';
import { element } from './element.js';
import { go, reload } from './navigate.js';
import { act } from './session.js';
import { say } from './toast.js';

export const actions = { order, pay, preview };

/** As the service's own limit; said here before 20 MiB are sent in vain. */
const DESIGN_BYTES_MAX = 20 << 20;
const PREFIX = 'option.';

/** Pictures that were sent already: an order that is corrected does not send them again. */
const sent = new WeakMap();

async function order(form, fields) {
  const { design, ...rest } = fields;
  const options = {};
  const address = {};
  for (const [name, value] of Object.entries(rest)) {
    if (name.startsWith(PREFIX)) options[name.slice(PREFIX.length)] = value;
    else if (value !== '') address[name] = value;
  }
  address.country = address.country?.toUpperCase();
  const url = design.size > 0 ? await upload(design) : undefined;
  const body = { product_id: form.dataset.product, options, shipping_address: address, ...(url && { design_url: url }) };
  const { order_id: id } = await act('POST', '/api/order/product', body).catch((problem) => { throw atFields(problem); });
  await go(`/order/${id}`);
}

async function upload(file) {
  if (!sent.has(file)) {
    const form = new FormData();
    form.append('file', file, file.name);
    sent.set(file, (await act('POST', '/api/designs/upload', form)).design_url);
  }
  return sent.get(file);
}

/** A refusal whose flaws are named as the form's fields are. */
function atFields(problem) {
  if (!(problem instanceof Problem)) return problem;
  problem.flaws = problem.flaws.map((flaw) => ({ ...flaw, location: (flaw.location ?? '').replace(/^body\.shipping_address\./, 'body.') }));
  return problem;
}

async function pay(form, { tx_id: transaction }) {
  const paid = await act('PUT', `/api/order/${form.dataset.order}/payment`, { tx_id: transaction.trim().toLowerCase() });
  await reload();
  say(paid.credited_bch ? `Paid. ${paid.credited_bch} BCH above the price are on your account.` : 'Paid. Thank you.');
}

/** Shows the chosen picture on the product. It does not leave the browser before the order does. */
async function preview(input) {
  const place = document.getElementById('print');
  place.replaceChildren();
  const [file] = input.files;
  if (!file) return;
  try {
    if (file.size > DESIGN_BYTES_MAX) throw new Error('This picture has more than 20 MiB. Take a smaller one.');
    const picture = element('img', { src: await dataUrl(file), alt: 'Your picture', 'data-keep': '' });
    await picture.decode().catch(() => { throw new Error('This browser cannot show this file: it is no picture, or a damaged one.'); });
    place.replaceChildren(picture);
  } catch (error) {
    input.value = '';
    throw error;
  }
}

const dataUrl = (file) => new Promise((resolve, reject) => {
  const reader = new FileReader();
  reader.onload = () => resolve(reader.result);
  reader.onerror = () => reject(reader.error);
  reader.readAsDataURL(file);
});
