// A class for each token that has a label.

import { describeValue } from '@flashmla/tensor';
import { linear } from '../pass/steps.ts';
import { type Head, longest, outputOf } from './head.ts';

export const tokenClassification: Head = {
  name: 'token-classification',
  suffix: 'ForTokenClassification',
  fault({ ids, target }, { labels }) {
    const expected = `expected an Int32Array of ${ids.length} labels, one a token, each 0 to ${labels.length - 1}, or negative for none`;
    if (!(target instanceof Int32Array)) return `has the target ${describeValue(target)}; ${expected}`;
    if (target.length !== ids.length) return `has ${target.length} labels; ${expected}`;
    const wrong = target.find((label) => label >= labels.length);
    if (wrong !== undefined) return `has the label ${wrong}; ${expected}`;
    return target.every((label) => label < 0) ? 'has no label on any token; leave it out' : undefined;
  },
  batch(examples) {
    const tokens = longest(examples);
    const rows: number[] = [];
    const targets: number[] = [];
    examples.forEach(({ target }, text) => {
      (target as Int32Array).forEach((label, token) => {
        if (label < 0) return;
        rows.push(text * tokens + token);
        targets.push(label);
      });
    });
    return { texts: examples, rows: Int32Array.from(rows), targets: Int32Array.from(targets) };
  },
  async logits(tape, hidden, model, drop) {
    return linear(tape, await drop(hidden), outputOf(model));
  },
};
