// One answer a text, read from its first token: a class, or a score where there is one label.

import { describeValue } from '@flashmla/tensor';
import { linear } from '../pass/steps.ts';
import { type Head, longest, outputOf } from './head.ts';

export const sequenceClassification: Head = {
  name: 'sequence-classification',
  suffix: 'ForSequenceClassification',
  fault({ target }, { labels }) {
    const isScore = labels.length === 1 && Number.isFinite(target);
    const isLabel = Number.isSafeInteger(target) && (target as number) >= 0 && (target as number) < labels.length;
    if (isScore || isLabel) return undefined;
    const expected = labels.length === 1 ? 'a score' : `the number of a label, 0 to ${labels.length - 1}`;
    return `has the target ${typeof target === 'number' ? target : describeValue(target)}; expected ${expected}`;
  },
  batch(examples, { labels }) {
    const tokens = longest(examples);
    const targets = examples.map(({ target }) => target as number);
    return {
      texts: examples,
      rows: Int32Array.from(examples, (_, text) => text * tokens),
      targets: labels.length === 1 ? Float32Array.from(targets) : Int32Array.from(targets),
    };
  },
  async logits(tape, first, { architecture, parts, word }, drop) {
    const { pooler, hidden } = parts;
    const pooled = pooler ? await linear(tape, first, pooler, 'tanh') : first;
    const read = await drop(pooled);
    const inner = hidden ? await drop(await linear(tape, read, hidden, architecture.headActivation)) : read;
    return linear(tape, inner, outputOf({ parts, word }));
  },
};
