// Metrics against values computed by hand and published ones, at their edges, and on what they refuse.

import { describe, expect, it } from 'vitest';
import { accuracy, entityF1, f1, marksEntities, matthews, metrics, pearson, spearman } from '../src/index.ts';

/** Labels with these counts in a table of predicted × expected. */
function labelled(counts: { tp: number; fp: number; fn: number; tn: number }): [number[], number[]] {
  const pairs = [
    [counts.tp, 1, 1],
    [counts.fp, 1, 0],
    [counts.fn, 0, 1],
    [counts.tn, 0, 0],
  ].flatMap(([count, predicted, expected]) => Array.from({ length: count! }, () => [predicted!, expected!] as const));
  return [pairs.map(([predicted]) => predicted), pairs.map(([, expected]) => expected)];
}

describe('accuracy', () => {
  it('is the share of equal labels', () => {
    expect(accuracy([0, 1, 2, 2], [0, 1, 1, 2])).toBe(0.75);
    expect(accuracy([1], [0])).toBe(0);
  });
});

describe('f1', () => {
  it('is the harmonic mean of precision and recall', () => {
    // Precision 6/7, recall 6/8.
    expect(f1(...labelled({ tp: 6, fp: 1, fn: 2, tn: 3 }))).toBeCloseTo(0.8, 12);
    expect(f1([1, 0], [1, 0])).toBe(1);
  });

  it('is 0 without a label 1 on either side', () => {
    expect(f1([0, 0], [0, 0])).toBe(0);
    expect(f1([1, 1], [0, 0])).toBe(0);
  });
});

describe('entityF1', () => {
  it('counts whole entities of the right kind', () => {
    const expected = [
      ['B-PER', 'I-PER', 'O', 'B-LOC'],
      ['O', 'B-ORG'],
    ];
    expect(entityF1(expected, expected)).toBe(1);
    // One is cut short, one has another kind, one is right: 1 of 3 found, 1 of 3 wanted.
    expect(
      entityF1(
        [
          ['B-PER', 'O', 'O', 'B-ORG'],
          ['O', 'B-ORG'],
        ],
        expected,
      ),
    ).toBeCloseTo(1 / 3, 12);
    // Nothing but one right entity: precision 1, recall 1/3.
    expect(
      entityF1(
        [
          ['O', 'O', 'O', 'B-LOC'],
          ['O', 'O'],
        ],
        expected,
      ),
    ).toBeCloseTo(0.5, 12);
  });

  it('takes an I- that continues nothing, and one of another kind, for a beginning', () => {
    expect(entityF1([['I-PER', 'I-PER', 'I-LOC']], [['B-PER', 'I-PER', 'B-LOC']])).toBe(1);
    // Two entities that follow one another are not one.
    expect(entityF1([['B-PER', 'I-PER']], [['B-PER', 'B-PER']])).toBe(0);
    // An entity ends with its text.
    expect(entityF1([['B-PER'], ['I-PER']], [['B-PER'], ['B-PER']])).toBe(1);
  });

  it('is 0 without entities, and refuses labels that do not belong together', () => {
    expect(entityF1([['O', 'MISC']], [['O', 'O']])).toBe(0);
    expect(() => entityF1([['O']], [['O', 'O']])).toThrow(
      '[evaluation] entityF1 was given 1 texts, 1 words, of predicted and 1 texts, 2 words, of expected labels',
    );
    expect([marksEntities(['O', 'I-PER']), marksEntities(['NOUN', 'B', 'B-'])]).toEqual([true, false]);
  });
});

describe('matthews', () => {
  it('gives published values', () => {
    // The example of Wikipedia's article on the phi coefficient: 16 ÷ √1120.
    expect(matthews(...labelled({ tp: 6, fp: 1, fn: 2, tn: 3 }))).toBeCloseTo(16 / Math.sqrt(1120), 12);
    // scikit-learn's example: −1/3.
    expect(matthews([1, 0, 1, 1], [1, 1, 1, 0])).toBeCloseTo(-1 / 3, 12);
  });

  it('is 1, −1, and 0 where one side has one label only', () => {
    expect(matthews([1, 0, 1], [1, 0, 1])).toBe(1);
    expect(matthews([0, 1, 0], [1, 0, 1])).toBe(-1);
    expect(matthews([1, 1, 1], [1, 0, 1])).toBe(0);
    expect(matthews([1, 0, 1], [0, 0, 0])).toBe(0);
  });
});

describe('pearson', () => {
  it("gives the value of SciPy's example", () => {
    expect(pearson([1, 2, 3, 4, 5], [10, 9, 2.5, 6, 4])).toBeCloseTo(-0.7426106572325056, 14);
  });

  it('does not change when one side is scaled and moved', () => {
    const [x, y] = [
      [0.1, 0.7, 0.4, 0.9],
      [1, 2, 4, 3],
    ];
    expect(
      pearson(
        x.map((value) => 1e6 * value + 1e9),
        y,
      ),
    ).toBeCloseTo(pearson(x, y), 6);
  });

  it('stays within −1 and 1, and is no number for constant values', () => {
    expect(pearson([0.1, 0.2, 0.3], [0.2, 0.4, 0.6])).toBeLessThanOrEqual(1);
    expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).toBeNaN();
    expect(pearson([1, 2, 3], [0.1, 0.1, 0.1])).toBeNaN();
  });
});

describe('spearman', () => {
  it('gives published values', () => {
    // SciPy's example; it has a tie.
    expect(spearman([1, 2, 3, 4, 5], [5, 6, 7, 8, 7])).toBeCloseTo(0.8207826816681233, 14);
    // Wikipedia's: intelligence and hours of television, −29/165.
    const intelligence = [106, 100, 86, 101, 99, 103, 97, 113, 112, 110];
    expect(spearman(intelligence, [7, 27, 2, 50, 28, 29, 20, 12, 6, 17])).toBeCloseTo(-29 / 165, 14);
  });

  it('gives ties the mean of their ranks, and sees the order alone', () => {
    // Ranks 1.5 1.5 3 and 1 2.5 2.5: covariance ¾, both variances 3/2.
    expect(spearman([1, 1, 2], [0, 3, 3])).toBeCloseTo(0.5, 14);
    expect(spearman([1, 2, 3], [1, 1000, 1001])).toBe(1);
    expect(spearman([5, 5, 5], [1, 2, 3])).toBeNaN();
  });
});

describe('what metrics refuse', () => {
  it.each(Object.entries(metrics))('%s wants equally many values, at least one', (name, metric) => {
    expect(() => metric([], [])).toThrow(`[evaluation] ${name} was given 0 predicted and 0 expected values`);
    expect(() => metric([1], [1, 0])).toThrow(`${name} was given 1 predicted and 2 expected values`);
  });

  it('labels of two kinds, and finite scores, where they are needed', () => {
    expect(() => f1([0, 2], [0, 1])).toThrow('f1 was given predicted[1] = 2; expected the label 0 or 1.');
    expect(() => matthews([0, 1], [0, -1])).toThrow('matthews was given expected[1] = -1');
    expect(() => pearson([0, Number.NaN], [0, 1])).toThrow('pearson was given predicted[1] = NaN; expected a finite');
    expect(() => spearman([0, 1], [0, Number.POSITIVE_INFINITY])).toThrow('spearman was given expected[1] = Infinity');
  });
});
