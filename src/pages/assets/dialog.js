// Dialogs: a question, or work that goes on.

import { element } from './element.js';

/** A dialog with a progress bar. It shows itself after `afterMs`, so that quick work does not flash. */
export function open(name, { title, text, cancel, afterMs = 0 }) {
  const bar = element('progress', { max: '1', value: '0', 'aria-label': title });
  const left = element('p', { class: 'soft small', role: 'status' }, ['…']);
  const button = element('button', { class: 'button', type: 'button' }, [cancel]);
  const heading = element('h2', { id: `${name}-title` }, [title]);
  const dialog = element('dialog', { id: name, 'aria-labelledby': heading.id, 'data-keep': '' }, [
    heading, element('p', { class: 'soft' }, [text]), bar, left, element('div', { class: 'row' }, [button]),
  ]);
  document.body.append(dialog);
  const showing = setTimeout(() => dialog.showModal(), afterMs);
  let cancelled = () => {};
  dialog.addEventListener('cancel', (event) => { event.preventDefault(); cancelled(); });
  button.addEventListener('click', () => cancelled());
  return {
    progress(share, text) { bar.value = share; left.textContent = text; },
    onCancel(then) { cancelled = then; },
    close() { clearTimeout(showing); dialog.close(); dialog.remove(); },
  };
}

/** Whether the person agrees. */
export function confirm({ title, text, agree, danger = false }) {
  return new Promise((resolve) => {
    const heading = element('h2', { id: 'confirm-title' }, [title]);
    const no = element('button', { class: 'button', value: 'no' }, ['Cancel']);
    const yes = element('button', { class: `button ${danger ? 'danger' : 'primary'}`, value: 'yes' }, [agree]);
    const form = element('form', { method: 'dialog' }, [
      heading, element('p', { class: 'soft' }, [text]), element('div', { class: 'row' }, [no, yes]),
    ]);
    const dialog = element('dialog', { 'aria-labelledby': heading.id, 'data-keep': '' }, [form]);
    dialog.addEventListener('close', () => { resolve(dialog.returnValue === 'yes'); dialog.remove(); });
    document.body.append(dialog);
    dialog.showModal();
    no.focus();
  });
}
