import { describe, expect, it } from 'vitest';
import { associativeRecall, type RecallExample, shareInWindow } from '../src/index.ts';

const sizes = { tokens: 64, keys: 48, values: 6, seed: 3 };
const task = associativeRecall(sizes);
const firstKey = 21;

function take(count: number, stream: Iterable<RecallExample>): RecallExample[] {
  const all: RecallExample[] = [];
  for (const example of stream) {
    all.push(example);
    if (all.length === count) return all;
  }
  throw new Error('the stream has ended');
}

/** What each position is, told by ids and types alone. */
function roles({ ids, types }: RecallExample): ('filler' | 'pair' | 'query')[] {
  return [...ids].map((id, position) => (id < firstKey ? 'filler' : types[position] === 0 ? 'query' : 'pair'));
}

describe('associativeRecall', () => {
  it('has a model layout for its ids, types and labels', () => {
    expect(task).toMatchObject({
      tokens: 64,
      pairs: 32,
      queries: 8,
      vocabularySize: firstKey + 48,
      tokenTypes: 7,
      labels: 6,
    });
    for (const { ids, types, labels } of take(50, task.stream())) {
      expect([ids.length, types.length, labels.length]).toEqual([64, 64, 64]);
      expect(Math.min(...ids)).toBeGreaterThanOrEqual(5);
      expect(Math.max(...ids)).toBeLessThan(task.vocabularySize);
      expect(Math.min(...types)).toBe(0);
      expect(Math.max(...types)).toBeLessThan(task.tokenTypes);
    }
  });

  it.each([
    ['by default', {}],
    ['with no filler', { pairs: 40, queries: 24 }],
    ['with one pair and one query', { pairs: 1, queries: 1 }],
    ['with every key', { pairs: 48, queries: 16 }],
  ])('labels each query with what its one pair says, and nothing else: %s', (_, some) => {
    const { pairs, queries, stream } = associativeRecall({ ...sizes, ...some });
    for (const example of take(50, stream())) {
      const { ids, types, labels } = example;
      const role = roles(example);
      const values = new Map<number, number>();
      role.forEach((what, position) => {
        if (what !== 'pair') return;
        expect(values.has(ids[position]!)).toBe(false);
        values.set(ids[position]!, types[position]! - 1);
      });
      expect(values.size).toBe(pairs);
      expect([...labels]).toEqual(role.map((what, position) => (what === 'query' ? values.get(ids[position]!) : -100)));
      expect(new Set([...ids].filter((__, position) => role[position] === 'query')).size).toBe(queries);
      for (const [position, what] of role.entries()) if (what === 'filler') expect(types[position]).toBe(0);
    }
  });

  it('gives the same sequences for a seed, others for another, none twice and none of the evaluation set', () => {
    const text = (examples: RecallExample[]) => examples.map(({ ids, types }) => `${ids} ${types}`);
    const trained = text(take(2000, task.stream()));
    const kept = text(task.evaluationSet(500));
    expect(new Set([...trained, ...kept]).size).toBe(2500);
    const again = associativeRecall(sizes);
    expect(text(take(20, again.stream(1980)))).toEqual(trained.slice(1980));
    expect(text(again.evaluationSet(20))).toEqual(kept.slice(0, 20));
    const other = associativeRecall({ ...sizes, seed: 4 });
    expect(text(take(20, other.stream())).some((example) => trained.includes(example))).toBe(false);
  });

  it('puts pairs and queries anywhere, asks for any key, and draws any value for it', () => {
    const examples = 4000;
    const at = { pair: new Float64Array(64), query: new Float64Array(64), filler: new Float64Array(64) };
    const asked = new Float64Array(48);
    const said = new Float64Array(6);
    const saidOfOneKey = new Float64Array(6);
    for (const example of take(examples, task.stream())) {
      roles(example).forEach((role, position) => {
        at[role][position]!++;
        if (role === 'query') asked[example.ids[position]! - firstKey]!++;
        if (role !== 'pair') return;
        said[example.types[position]! - 1]!++;
        if (example.ids[position] === firstKey + 7) saidOfOneKey[example.types[position]! - 1]!++;
      });
    }
    for (const counts of [at.pair, at.query, at.filler, asked, said, saidOfOneKey]) {
      const mean = counts.reduce((sum, count) => sum + count) / counts.length;
      // Pearson's chi-squared: for so many degrees of freedom above their number plus 5 standard deviations about once in
      // a million; the seed is fixed.
      const chiSquared = counts.reduce((sum, count) => sum + (count - mean) ** 2 / mean, 0);
      const freedom = counts.length - 1;
      expect(chiSquared).toBeLessThan(freedom + 5 * Math.sqrt(2 * freedom));
    }
  });

  it.each([
    ['tokens', 0, /tokens is 0; expected a whole number from 1 on/],
    ['tokens', 6, /queries is 0; expected a whole number from 1 to 3, the pairs/],
    ['pairs', 0, /pairs is 0; expected a whole number from 1 to 48, the keys/],
    ['pairs', 49, /pairs is 49; expected a whole number from 1 to 48, the keys/],
    ['pairs', 2.5, /pairs is 2\.5; expected a whole number/],
    ['queries', 0, /queries is 0/],
    ['queries', 33, /queries is 33; expected a whole number from 1 to 32, the pairs/],
    ['keys', 31, /pairs is 32; expected a whole number from 1 to 31, the keys/],
    ['keys', Number.NaN, /keys is NaN/],
    ['values', 0, /values is 0; expected a whole number from 1 on/],
    ['seed', -1, /seed is -1; expected a whole number from 0 to 4294967295/],
    ['seed', 0.5, /seed is 0\.5/],
  ] as const)('fails for %s = %d', (option, value, message) => {
    expect(() => associativeRecall({ ...sizes, [option]: value })).toThrow(message);
  });

  it('fails for more pairs and queries than tokens, and for numbers of sequences that are none', () => {
    expect(() => associativeRecall({ ...sizes, pairs: 48, queries: 17 })).toThrow(
      /48 pairs and 17 queries are more than 64 tokens/,
    );
    expect(() => task.evaluationSet(0)).toThrow(/count is 0; expected a whole number from 1/);
    expect(() => task.stream(-1).next()).toThrow(/first is -1; expected a whole number from 0/);
  });
});

describe('shareInWindow', () => {
  it.each([
    // [tokens, k, globalTokens, pairs of positions, counted by hand]
    [4, 1, 1, 3 / 12], // the first token, of the three others
    [4, 1, 0, 0], // the query itself
    [4, 3, 0, 6 / 12], // both neighbours
    [4, 2, 0, 3 / 12], // the neighbour before: floor(2 / 2) = 1
    [4, 4, 1, 8 / 12], // the first, and both neighbours: 1 + 2 + 3 + 2
    [4, 9, 1, 1],
  ])('%i tokens, k %i, %i global ones: %f', (tokens, k, globalTokens, share) => {
    expect(shareInWindow(tokens, k, globalTokens)).toBeCloseTo(share, 12);
  });

  it('is what the sequences have', () => {
    const [k, before] = [9, 4];
    let [seen, asked] = [0, 0];
    for (const example of task.evaluationSet(4000)) {
      const role = roles(example);
      role.forEach((what, query) => {
        if (what !== 'query') return;
        const pair = example.ids.findIndex((id, at) => id === example.ids[query] && role[at] === 'pair');
        asked++;
        if (pair === 0 || (pair >= query - before && pair < query - before + (k - 1))) seen++;
      });
    }
    const share = shareInWindow(64, k);
    expect(Math.abs(seen / asked - share)).toBeLessThan(4 * Math.sqrt((share * (1 - share)) / asked));
  });

  it('fails for numbers that do not do', () => {
    expect(() => shareInWindow(1, 1)).toThrow(/tokens is 1; expected a whole number from 2 on/);
    expect(() => shareInWindow(8, 0)).toThrow(/k is 0/);
    expect(() => shareInWindow(8, 2, 3)).toThrow(/globalTokens is 3; expected a whole number from 0 to 2, k/);
  });
});
