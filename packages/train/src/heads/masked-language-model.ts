// The words that were hidden from the encoder (Devlin et al. 2018, arXiv 1810.04805): of 15 % of the tokens, 80 % are
// replaced by the mask, 10 % by any token, 10 % are left, and all are to be found. The output layer is the table of word
// embeddings.

import { linear, norm } from '../pass/steps.ts';
import { type Head, longest, outputOf } from './head.ts';

const masked = 0.15;
const replaced = 0.8;
const random = 0.1;

export interface MaskedLanguageModelOptions {
  /** The id of the token that hides a word. */
  readonly maskToken: number;
  /** Ids that are never hidden: padding, the beginning and the end of a text. */
  readonly specialTokens: readonly number[];
}

export function maskedLanguageModel({ maskToken, specialTokens }: MaskedLanguageModelOptions): Head {
  const special = new Set(specialTokens);
  return {
    name: 'masked-language-model',
    suffix: 'ForMaskedLM',
    fault: ({ ids }) =>
      ids.every((id) => special.has(id)) ? 'has no words to hide; leave empty texts out' : undefined,
    batch(examples, { vocabulary }, draw) {
      const tokens = longest(examples);
      const rows: number[] = [];
      const targets: number[] = [];
      const texts = examples.map(({ ids, types }, text) => {
        const shown = Int32Array.from(ids);
        const words = [...ids.keys()].filter((token) => !special.has(ids[token]!));
        // At least one word of each text, so that no batch is without a loss.
        const certain = words[Math.floor(draw() * words.length)];
        for (const token of words) {
          if (draw() >= masked && token !== certain) continue;
          rows.push(text * tokens + token);
          targets.push(ids[token]!);
          const lot = draw();
          if (lot < replaced) shown[token] = maskToken;
          else if (lot < replaced + random) shown[token] = Math.floor(draw() * vocabulary);
        }
        return { ids: shown, types };
      });
      return { texts, rows: Int32Array.from(rows), targets: Int32Array.from(targets) };
    },
    async logits(tape, hidden, model) {
      const { architecture, parts } = model;
      const inner = await linear(tape, hidden, parts.hidden!, architecture.headActivation);
      const even = await norm(tape, inner, parts.norm!, architecture.normEpsilon);
      return linear(tape, even, outputOf(model));
    },
  };
}
