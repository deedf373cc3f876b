// Where the text comes from: typed or pasted, a sample, a file that is opened or dropped.

import { droppedFiles } from '../dropped-files.ts';
import type { Planned } from '../engine/protocol.ts';
import { type Given, InputError, readFiles } from '../read-file.ts';
import { samples } from '../samples.ts';
import { find, make } from './elements.ts';

export interface TextPanelEvents {
  /** Another text is in the field. */
  readonly onText: () => void;
  /** A sample or a file was chosen: something to run at once. */
  readonly onChosen: () => void;
  readonly onModel: (model: Extract<Given, { kind: 'model' }>) => void;
}

export class TextPanel {
  readonly #field = find<'textarea'>('text');
  readonly #events: TextPanelEvents;

  constructor(events: TextPanelEvents) {
    this.#events = events;
    this.#field.addEventListener('input', () => this.#changed());
    this.#showSamples();
    this.#takeFiles();
    this.#set(samples[1]!.text);
  }

  get text(): string {
    return this.#field.value.trim();
  }

  showLength(planned: Planned | undefined, maxTokens: number): void {
    find('length').textContent = planned ? `${planned.tokens} tokens · K = ${planned.k}` : '';
    if (!planned?.truncated) return;
    this.notice(`The model takes ${maxTokens} tokens; the end of this longer text is left out.`);
  }

  /** One line about what was given; undefined = nothing to say. */
  notice(message: string | undefined, { isError = false } = {}): void {
    const notice = find('notice');
    notice.hidden = message === undefined;
    notice.textContent = message ?? '';
    notice.className = isError ? 'notice wrong' : 'notice';
    // Only what went wrong interrupts a screen reader.
    notice.setAttribute('role', isError ? 'alert' : 'note');
  }

  #set(text: string): void {
    this.#field.value = text;
    this.#field.scrollTop = 0;
    this.#changed();
  }

  #changed(): void {
    this.notice(undefined);
    const { text } = this;
    for (const chip of find('samples').children) {
      const sample = samples.find(({ name }) => name === chip.textContent);
      chip.setAttribute('aria-pressed', String(sample?.text === text));
    }
    this.#events.onText();
  }

  #showSamples(): void {
    const chips = samples.map(({ name, text }) => {
      const chip = make('button', { class: 'chip', text: name });
      chip.type = 'button';
      chip.addEventListener('click', () => {
        this.#set(text);
        this.#events.onChosen();
      });
      return chip;
    });
    find('samples').replaceChildren(...chips);
  }

  #takeFiles(): void {
    const drop = find('drop');
    const input = find<'input'>('file');
    input.addEventListener('change', () => {
      void this.#take([...input.files!]);
      // The same file can be chosen again.
      input.value = '';
    });
    drop.addEventListener('dragover', (event) => {
      event.preventDefault();
      drop.classList.add('over');
    });
    drop.addEventListener('dragleave', () => drop.classList.remove('over'));
    drop.addEventListener('drop', (event) => {
      event.preventDefault();
      drop.classList.remove('over');
      const { dataTransfer } = event;
      if (!dataTransfer) return;
      const dragged = dataTransfer.files.length === 0 ? dataTransfer.getData('text/plain') : '';
      if (dragged !== '') this.#set(dragged);
      else void droppedFiles(dataTransfer).then((files) => this.#take(files));
    });
  }

  async #take(files: readonly File[]): Promise<void> {
    try {
      const given = await readFiles(files);
      if (given.kind === 'model') return this.#events.onModel(given);
      this.#set(given.text);
      this.#events.onChosen();
    } catch (error) {
      this.notice(error instanceof InputError ? error.message : `The file can't be read: ${String(error)}`, {
        isError: true,
      });
    }
  }
}
