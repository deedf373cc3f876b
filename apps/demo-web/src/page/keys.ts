// Which keys were chosen: a small picture of every layer and head, a large one of the head that is looked at, and the
// text itself, in which one token's choice is marked. The slider moves the token, by its arrow keys too.

import { type ChoiceMap, choiceMap, keysOf } from '../chosen.ts';
import type { GateMeasure, LayerSelection } from '../engine/protocol.ts';
import { type TokenText, tokenTexts } from '../token-text.ts';
import { drawChoices } from './choice-picture.ts';
import { onSchemeChange } from './colors.ts';
import { find, make } from './elements.ts';

const overviewCells = 48;
const matrixCells = 320;
/** A head of the shipped model whose choices a reader understands: it looks for words that judge. */
const telling = { layer: 1, head: 0 };

interface Shown {
  readonly layers: readonly LayerSelection[];
  readonly texts: readonly TokenText[];
  readonly spans: readonly HTMLElement[];
}

export class KeysPanel {
  readonly #matrix = find<'canvas'>('matrix');
  readonly #slider = find<'input'>('token');
  readonly #pictures = new Map<HTMLCanvasElement, ChoiceMap>();
  #shown: Shown | undefined;
  #layer = telling.layer;
  #head = telling.head;
  #marked: HTMLElement[] = [];
  #qualities: { readonly heads: readonly GateMeasure[]; readonly tokens: number } = { heads: [], tokens: 0 };

  constructor() {
    this.#slider.addEventListener('input', () => this.#showToken());
    this.#matrix.addEventListener('pointerdown', (event) => {
      if (!this.#shown) return;
      const { top, height } = this.#matrix.getBoundingClientRect();
      this.#moveTo(Math.floor(((event.clientY - top) / height) * this.#shown.texts.length));
    });
    const tokens = find('tokens');
    tokens.addEventListener('click', (event) => {
      const at = this.#shown?.spans.indexOf(event.target as HTMLElement) ?? -1;
      if (at >= 0) this.#moveTo(at);
    });
    onSchemeChange(() => {
      for (const [canvas, map] of this.#pictures) drawChoices(canvas, map);
    });
  }

  /** What a run's layers chose. Draws a picture at a time, so that the page goes on answering. */
  async show(pieces: readonly string[], layers: readonly LayerSelection[]): Promise<void> {
    const texts = tokenTexts(pieces);
    const spans = texts.map(({ text }) => make('span', { text }));
    const shown: Shown = { layers, texts, spans };
    this.#shown = shown;
    this.#qualities = { heads: [], tokens: 0 };
    this.#pictures.clear();
    this.#marked = [];
    const first = layers.findIndex((layer) => layer);
    const isEmpty = first < 0;
    find('keys-body').hidden = isEmpty;
    find('keys-empty').hidden = !isEmpty;
    if (isEmpty) {
      find('keys-empty').textContent =
        'This text has no more tokens than sparse picks keys, so every token sees every other. Take a longer text, or a smaller K.';
      return;
    }
    if (!layers[this.#layer]) this.#layer = first;
    if (this.#head >= layers[this.#layer]!.shape[1]) this.#head = 0;
    find('tokens').replaceChildren(
      ...texts.flatMap(({ space }, at) => (space ? [new Text(' '), spans[at]!] : [spans[at]!])),
    );
    this.#slider.max = String(texts.length - 1);
    // A word that tells something, rather than the first: the middle one that is long.
    const long = texts.flatMap(({ text, space }, at) => (space && text.length > 5 ? [at] : []));
    this.#slider.value = String(long[Math.floor(long.length / 2)] ?? 0);
    await this.#showHeads(shown);
  }

  /** How much of dense attention the heads' choices hold, on the first `tokens` of the text. */
  showQualities(heads: readonly GateMeasure[], tokens: number): void {
    this.#qualities = { heads, tokens };
    this.#showQuality();
  }

  async #showHeads(shown: Shown): Promise<void> {
    const buttons = shown.layers.flatMap((layer, index) =>
      layer ? Array.from({ length: layer.shape[1] }, (_, head) => this.#headButton(layer, index, head)) : [],
    );
    const heads = find('heads');
    heads.style.setProperty('--heads', String(shown.layers.find((layer) => layer)!.shape[1]));
    heads.replaceChildren(...buttons.map(({ button }) => button));
    this.#showMatrix();
    for (const { draw } of buttons) {
      await new Promise((resolve) => setTimeout(resolve));
      if (this.#shown !== shown) return;
      draw();
    }
  }

  #headButton(selection: NonNullable<LayerSelection>, layer: number, head: number) {
    const canvas = make('canvas');
    const name = `Layer ${layer + 1}, head ${head + 1}`;
    const button = make('button', { class: 'head' }, canvas);
    button.type = 'button';
    button.setAttribute('aria-label', name);
    button.title = name;
    button.setAttribute('aria-pressed', String(layer === this.#layer && head === this.#head));
    button.addEventListener('click', () => {
      this.#layer = layer;
      this.#head = head;
      for (const other of find('heads').children) other.setAttribute('aria-pressed', String(other === button));
      this.#showMatrix();
    });
    return { button, draw: () => this.#draw(canvas, selection, head, overviewCells) };
  }

  #showMatrix(): void {
    const selection = this.#shown?.layers[this.#layer];
    if (!selection) return;
    find('matrix-title').textContent = `Layer ${this.#layer + 1}, head ${this.#head + 1}: who looks at whom`;
    this.#draw(this.#matrix, selection, this.#head, matrixCells);
    this.#showToken();
    this.#showQuality();
  }

  #showQuality(): void {
    const { heads, tokens } = this.#qualities;
    const found = heads.find(({ layer, head }) => layer === this.#layer && head === this.#head);
    find('quality').textContent = found ? describeQuality(found, tokens, this.#shown!.texts.length) : '';
  }

  #draw(canvas: HTMLCanvasElement, selection: NonNullable<LayerSelection>, head: number, cells: number): void {
    const map = choiceMap(selection, head, this.#shown!.texts.length, cells);
    this.#pictures.set(canvas, map);
    drawChoices(canvas, map);
  }

  #moveTo(token: number): void {
    this.#slider.value = String(token);
    this.#showToken();
  }

  /** Marks what the slider's token chose. */
  #showToken(): void {
    const { layers, texts, spans } = this.#shown!;
    const selection = layers[this.#layer]!;
    const token = Number(this.#slider.value);
    const keys = keysOf(selection, this.#head, texts.length, token);
    for (const span of this.#marked) span.removeAttribute('class');
    for (const key of keys) spans[key]!.className = 'key';
    const own = spans[token]!;
    own.classList.add('query');
    this.#marked = [own, ...keys.map((key) => spans[key]!)];
    keepInView(find('tokens'), own);
    const words = texts[token]!.text;
    find('token-label').textContent = `Token ${token + 1} of ${texts.length}: “${words}”`;
    this.#slider.setAttribute('aria-valuetext', `${token + 1}, ${words}`);
    find('chosen').textContent = `“${words}” chose ${describe(keys.map((key) => texts[key]!.text))}`;
  }
}

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;

function describeQuality(
  { recall, oracleRecall, staticRecall, error }: GateMeasure,
  tokens: number,
  all: number,
): string {
  const where = tokens < all ? ` Measured on the first ${tokens} tokens.` : '';
  return (
    `What it picked holds ${percent(recall)} of dense attention; the best keys hold ${percent(oracleRecall)}, as many ` +
    `neighbours ${percent(staticRecall)}. Its output is ${percent(error)} from dense.${where}`
  );
}

/** Words with how often they were chosen, the most frequent first. */
function describe(words: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const listed = [...counts].sort(([, a], [, b]) => b - a).slice(0, 12);
  const named = listed.map(([word, count]) => (count > 1 ? `${word} (${count}×)` : word)).join(' · ');
  return `${words.length} keys: ${named}${counts.size > listed.length ? ' …' : '.'}`;
}

/** Scrolls within `box` only: scrollIntoView would move the page under the reader. */
function keepInView(box: HTMLElement, child: HTMLElement): void {
  const [outer, inner] = [box.getBoundingClientRect(), child.getBoundingClientRect()];
  if (inner.top >= outer.top && inner.bottom <= outer.bottom) return;
  box.scrollTop += inner.top - outer.top - outer.height / 2;
}
