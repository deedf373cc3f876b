import { expect, test } from 'vitest';
import { answerOf } from '../src/engine/answer.ts';
import { cutsOf } from '../src/engine/cuts.ts';

test('the label of the largest logit, and its softmax', () => {
  const { label, confidence } = answerOf([0, Math.log(3)], ['negative', 'positive']);
  expect(label).toBe('positive');
  expect(confidence).toBeCloseTo(0.75, 12);
  expect(answerOf([1000, 0], ['negative', 'positive'])).toEqual({ label: 'negative', confidence: 1 });
});

test('a model without a head has no label', () => {
  expect(answerOf([], [])).toEqual({ label: undefined, confidence: 0 });
});

test('lengths that are timed: below that of the text, and not almost it', () => {
  expect(cutsOf(100)).toEqual([]);
  expect(cutsOf(130)).toEqual([]);
  expect(cutsOf(900)).toEqual([128, 256, 512]);
  expect(cutsOf(4096)).toEqual([128, 256, 512, 1024, 2048]);
});
