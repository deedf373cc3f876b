// Gate spaces by what they were fitted to.

import { ContentGate, type ContentGateState, type FitSample } from '@flashmla/gating';
import type { EncodedText } from '@flashmla/model-swap';
import type { LayerWeights, Projector } from './projections.ts';

export type Source = 'other texts' | 'built-in texts' | 'first run' | 'weights';

export interface Space {
  readonly source: Source;
  /** Of all heads; absent = chosen for each head, as users get it. */
  readonly rank?: number;
}

/** Keys a query selects: fitting chooses ranks by how well so many are found. */
export const listKeys = 32;

export class GateSpaces {
  readonly #heads: number;
  readonly #headDim: number;
  readonly #weights: readonly LayerWeights[];
  /** Source → layer → one sample for each text. */
  readonly #samples = new Map<Source, FitSample[][]>();
  readonly #fitted = new Map<string, Promise<ContentGateState>>();

  constructor({ heads, headDim }: { heads: number; headDim: number }, weights: readonly LayerWeights[]) {
    this.#heads = heads;
    this.#headDim = headDim;
    this.#weights = weights;
  }

  async addTexts(source: Source, texts: readonly EncodedText[], projector: Projector): Promise<void> {
    const layers = this.#weights.map((): FitSample[] => []);
    for (const text of texts) {
      for (const [layer, { query, key, value }] of (await projector.project(text)).entries()) {
        const [queries, keys] = (await Promise.all([query.data(), key.data()])) as [Float32Array, Float32Array];
        layers[layer].push({ query: queries, key: keys, tokens: text.ids.length });
        for (const one of [query, key, value]) one.dispose();
      }
    }
    this.#samples.set(source, layers);
  }

  /** @param sharpness factor of all logits; it decides which keys are the true top ones' worth, and so the ranks */
  get(space: Space, layer: number, sharpness: number): Promise<ContentGateState> {
    const key = JSON.stringify({ ...space, layer, sharpness });
    let state = this.#fitted.get(key);
    if (!state) {
      state = this.#fit(space, layer, sharpness);
      this.#fitted.set(key, state);
    }
    return state;
  }

  async #fit({ source, rank }: Space, layer: number, sharpness: number): Promise<ContentGateState> {
    const gate = new ContentGate({ k: listKeys, rank });
    const [heads, headDim] = [this.#heads, this.#headDim];
    if (source === 'weights') {
      const { query, key, inputNorm } = this.#weights[layer];
      await gate.fitFromWeights({
        ...{ queryWeight: query.weight, queryBias: query.bias, keyWeight: key.weight, keyBias: key.bias },
        ...{ inputNormWeight: inputNorm.weight, inputNormBias: inputNorm.bias, heads },
      });
    } else {
      const samples = this.#samples.get(source)![layer];
      await gate.fit(samples, { heads, headDim, scale: sharpness / Math.sqrt(headDim) });
    }
    return gate.state();
  }
}
