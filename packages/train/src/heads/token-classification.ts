// A class for each token that has a label.

import type { LinearParts } from '@flashmla/model-swap';
import { describeValue, FlashMLAError } from '@flashmla/tensor';
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
  check({ ids, target }, { labels }) {
    const fail = (given: string) => {
      throw new FlashMLAError(
        'invalid-argument',
        `[train] target is ${given}; expected an Int32Array of ${ids.length} labels, one a token, each 0 to ${labels.length - 1}, or negative for none.`,
      );
    };
    if (!(target instanceof Int32Array)) return fail(describeValue(target));
    if (target.length !== ids.length) fail(`${target.length} labels`);
    const wrong = target.find((label) => label >= labels.length);
    if (wrong !== undefined) fail(`a list with the label ${wrong}`);
    if (target.every((label) => label < 0)) fail('a list without a label');
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
