// What is going on: a line that screen readers hear, a bar, the buttons, and what went wrong.

import { formatBytes } from '@flashmla/demo/src/format.ts';
import { find } from './elements.ts';

export class Status {
  readonly #line = find<'span'>('status');
  readonly #detail = find<'span'>('detail');
  readonly #bar = find<'progress'>('progress');
  readonly #cancel = find<'button'>('cancel');
  readonly #run = find<'button'>('run');

  constructor({ onCancel, onAgain }: { onCancel: () => void; onAgain: () => void }) {
    this.#cancel.addEventListener('click', onCancel);
    find<'button'>('again').addEventListener('click', onAgain);
  }

  /** @param bytes of the work that are done, and of how many where that is known */
  busy(text: string, bytes?: { done: number; total: number | undefined }): void {
    this.#say(text);
    this.#bar.hidden = false;
    if (bytes?.total === undefined) this.#bar.removeAttribute('value');
    else this.#bar.value = bytes.done / bytes.total;
    // Beside the line that is read aloud: it changes many times a second.
    this.#detail.textContent = bytes ? [bytes.done, bytes.total ?? []].flat().map(formatBytes).join(' of ') : '';
    this.#cancel.disabled = false;
    document.body.classList.add('busy');
  }

  idle(text: string): void {
    // A button that is disabled while it has the focus would lose it to the top of the page.
    if (document.activeElement === this.#cancel) this.#run.focus();
    this.#say(text);
    this.#detail.textContent = '';
    this.#bar.hidden = true;
    this.#cancel.disabled = true;
    document.body.classList.remove('busy');
  }

  /** Only what is new: a live region is read again whenever it is written. */
  #say(text: string): void {
    if (this.#line.textContent !== text) this.#line.textContent = text;
  }

  failed(message: string): void {
    find('error').hidden = false;
    find('error-text').textContent = message;
  }

  clearError(): void {
    find('error').hidden = true;
    find('error-text').textContent = '';
  }
}
