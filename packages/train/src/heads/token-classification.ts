// A class for each token that has a label.

import type { LinearParts } from '@flashmla/model-swap';
import { describeValue } from '@flashmla/tensor';
import type { Parameter } from '../parameter.ts';
import { linear } from '../pass/steps.ts';
import { type Head, longest } from './head.ts';

export const tokenClassification: Head = {
  name: 'token-classification',
  suffix: 'ForTokenClassification',
  needs: ({ modelDim, labels }) => ({
    output: {
      weight: { name: 'classifier.weight', shape: [labels.length, modelDim], linear: true },
      bias: { name: 'classifier.bias', shape: [labels.length], linear: false },
    },
  }),
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
  async logits(tape, hidden, { parts }, drop) {
    return linear(tape, await drop(hidden), parts.output as LinearParts<Parameter>);
  },
};
