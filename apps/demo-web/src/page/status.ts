// What is going on: a line that screen readers hear, a bar, the buttons, and what went wrong.

import { find } from './elements.ts';

export class Status {
  readonly #line = find<'p'>('status');
  readonly #bar = find<'progress'>('progress');
  readonly #cancel = find<'button'>('cancel');
  readonly #run = find<'button'>('run');

  constructor({ onCancel, onAgain }: { onCancel: () => void; onAgain: () => void }) {
    this.#cancel.addEventListener('click', onCancel);
    find<'button'>('again').addEventListener('click', onAgain);
  }

  /** @param share of the work that is done; undefined = nobody knows */
  busy(text: string, share?: number): void {
    this.#line.textContent = text;
    this.#bar.hidden = false;
    if (share === undefined) this.#bar.removeAttribute('value');
    else this.#bar.value = share;
    this.#cancel.disabled = false;
    document.body.classList.add('busy');
  }

  idle(text: string): void {
    // A button that is disabled while it has the focus would lose it to the top of the page.
    if (document.activeElement === this.#cancel) this.#run.focus();
    this.#line.textContent = text;
    this.#bar.hidden = true;
    this.#cancel.disabled = true;
    document.body.classList.remove('busy');
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
