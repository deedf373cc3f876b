import { describe, expect, it } from 'vitest';
import { measure, predictor, type Task, taskNames, tasks } from '../src/index.ts';

const logits = (...rows: number[][]) => Float32Array.from(rows.flat());

describe('predictor', () => {
  it('gives the label of the largest logit, the first of equal ones', () => {
    expect(predictor(tasks.sst2, ['LABEL_0', 'LABEL_1'])(logits([2, 1], [-3, -1], [0, 0]))).toEqual([0, 1, 0]);
  });

  it('goes by the names of labels where the model has those of the task', () => {
    const outputs = logits([2, 1], [-3, -1]);
    expect(predictor(tasks.rte, ['Not_Entailment', 'ENTAILMENT'])(outputs)).toEqual([1, 0]);
    expect(predictor(tasks.rte, ['entailment', 'other'])(outputs)).toEqual([0, 1]);
  });

  it('gives the score as it is', () => {
    expect(predictor(tasks.stsb, ['LABEL_0'])(logits([4.5], [-1]))).toEqual([4.5, -1]);
  });

  it('refuses a model that was not made for the task', () => {
    expect(() => predictor(tasks.sst2, ['a', 'b', 'c'])(logits([1, 2, 3]))).toThrow(
      '[evaluation] the model has 3 labels; sst2 takes 2 labels. Give a model that was trained for it.',
    );
    expect(() => predictor(tasks.stsb, ['a', 'b'])(logits([1, 2]))).toThrow('2 labels; stsb takes one output, a score');
    const unnamed: Task = { metrics: ['pearson'] };
    expect(() => predictor(unnamed, ['a', 'b'])(logits([1, 2]))).toThrow(
      '2 labels; this data takes one output, a score',
    );
  });
});

describe('measure', () => {
  it.each(taskNames)('gives %s its metrics, 1 for all that is right', (name) => {
    const values = measure(tasks[name], [0, 1, 1], [0, 1, 1]);
    expect(Object.keys(values)).toEqual(tasks[name].metrics);
    for (const value of Object.values(values)) expect(value).toBeCloseTo(1, 12);
  });

  it('gives nothing for a task without metrics', () => {
    expect(measure({ metrics: [] }, [], [])).toEqual({});
  });
});
