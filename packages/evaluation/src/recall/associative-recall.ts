// Associative recall: sequences that say which value each key has, and ask for some of them. Nothing but the content of
// the sequence tells the answer, and pair and query stand anywhere: attention has to find one position of them all.
//
// Multi-query associative recall (Arora et al. 2023, "Zoology", arXiv 2312.04927), for an encoder with token types, as BERT
// is one. There, a key and its value are neighbours, and all pairs come before all queries, since a decoder sees only what
// came before. Here a pair is one position: its token says the key, its type the value; and order means nothing.

import { randomSource } from '@flashmla/tensor';
import { invalidArgument } from '../errors.ts';

export interface AssociativeRecallOptions {
  /** Positions of a sequence. */
  tokens: number;
  /** Positions that say what a key's value is, each of another key; default half of the tokens. */
  pairs?: number | undefined;
  /** Positions that ask for the value of a key, each for another one of the pairs; default an eighth of the tokens. */
  queries?: number | undefined;
  /** Keys that there are. */
  keys: number;
  /** Values that there are. */
  values: number;
  /** Of 32 bits; the same seed gives the same sequences. */
  seed: number;
}

/** One sequence. Labels are −100 where nothing is asked, which is what losses leave out. */
export interface RecallExample {
  readonly ids: Int32Array; // [tokens]
  readonly types: Int32Array; // [tokens]
  readonly labels: Int32Array; // [tokens]
}

/**
 * The task. Token ids are
 *
 *     0 … 4                 BERT's special tokens, which do not occur: [PAD] keeps its usual id, 0
 *     5 … 20                fillers, which say nothing
 *     21 … 20 + keys        keys
 *
 * and token types 0 for fillers and queries, 1 + value for pairs.
 */
export interface AssociativeRecall {
  readonly tokens: number;
  readonly pairs: number;
  readonly queries: number;
  /** Token ids of a model for it. */
  readonly vocabularySize: number;
  /** Token types of a model for it. */
  readonly tokenTypes: number;
  /** Labels: the values. */
  readonly labels: number;
  /** Sequences to train on, all different, from number `first` on; it never ends. */
  stream(first?: number): Generator<RecallExample, never>;
  /** The first `count` of the sequences that are kept for evaluation; `stream` has none of them. */
  evaluationSet(count: number): RecallExample[];
}

const specialTokens = 5;
const fillers = 16;
const firstKey = specialTokens + fillers;
const noLabel = -100;

/** The sequences of a seed have a number of 32 bits each; the upper half is for evaluation. */
const firstForEvaluation = 2 ** 31;

/** @throws FlashMLAError 'invalid-argument' for numbers that don't do, alone or together */
export function associativeRecall({
  tokens,
  pairs = Math.floor(tokens / 2),
  queries = Math.floor(tokens / 8),
  keys,
  values,
  seed,
}: AssociativeRecallOptions): AssociativeRecall {
  checkWhole('tokens', tokens, 1);
  checkWhole('keys', keys, 1);
  checkWhole('values', values, 1);
  checkWhole('seed', seed, 0, 2 ** 32 - 1);
  checkWhole('pairs', pairs, 1, keys, 'the keys');
  checkWhole('queries', queries, 1, pairs, 'the pairs');
  if (pairs + queries > tokens) {
    throw invalidArgument(
      `${pairs} pairs and ${queries} queries are more than ${tokens} tokens; expected at most as many together.`,
    );
  }

  const example = (number: number): RecallExample => {
    const random = randomSource(sourceOf(seed, number));
    const below = (bound: number) => Math.floor(random() * bound);
    const [ids, types, labels] = [0, 0, noLabel].map((value) => new Int32Array(tokens).fill(value)) as [
      Int32Array,
      Int32Array,
      Int32Array,
    ];
    for (let position = 0; position < tokens; position++) ids[position] = specialTokens + below(fillers);
    const positions = distinct(pairs + queries, tokens, below);
    const pairKeys = distinct(pairs, keys, below);
    for (let pair = 0; pair < pairs; pair++) {
      const value = below(values);
      const position = positions[pair]!;
      ids[position] = firstKey + pairKeys[pair]!;
      types[position] = 1 + value;
      // The keys are in random order, so the first ones are as good as any to ask for.
      if (pair >= queries) continue;
      const query = positions[pairs + pair]!;
      ids[query] = ids[position]!;
      labels[query] = value;
    }
    return { ids, types, labels };
  };

  return {
    tokens,
    pairs,
    queries,
    vocabularySize: firstKey + keys,
    tokenTypes: 1 + values,
    labels: values,
    *stream(first = 0) {
      checkWhole('first', first, 0, firstForEvaluation - 1);
      for (let number = first; ; number = (number + 1) % firstForEvaluation) yield example(number);
    },
    evaluationSet(count) {
      checkWhole('count', count, 1, firstForEvaluation);
      return Array.from({ length: count }, (_, index) => example(firstForEvaluation + index));
    },
  };
}

/**
 * Share of queries whose pair is among the `k` keys of a window with global tokens, as `StaticGate` of @flashmla/gating
 * selects them: the first `globalTokens` positions, and k − globalTokens around the query, cut off at the ends. It is the
 * expectation over positions, which are uniform. A layer of such attention finds these pairs and no other; what it has not
 * found is guessed right once in `values` times. Windows of several layers reach further, each by one more window.
 *
 * @returns 0 to 1
 * @throws FlashMLAError 'invalid-argument' for numbers that don't do
 */
export function shareInWindow(tokens: number, k: number, globalTokens = 1): number {
  checkWhole('tokens', tokens, 2);
  checkWhole('k', k, 1);
  checkWhole('globalTokens', globalTokens, 0, k, 'k');
  const global = Math.min(globalTokens, tokens);
  const window = k - globalTokens;
  const before = Math.floor(window / 2);
  let seen = 0;
  for (let query = 0; query < tokens; query++) {
    const start = Math.max(global, query - before);
    const end = Math.min(tokens, query - before + window);
    // The pair stands anywhere but at the query itself.
    const itself = query < global || (start <= query && query < end) ? 1 : 0;
    seen += global + Math.max(0, end - start) - itself;
  }
  return seen / (tokens * (tokens - 1));
}

/** Another seed for each number: the step is odd, so no two of the 2^32 are the same. 2^32 divided by the golden ratio. */
const sourceOf = (seed: number, number: number): number => (seed + Math.imul(number, 0x9e3779b1)) | 0;

/** `count` different numbers below `bound`, in random order: the first of a shuffle (Fisher & Yates). */
function distinct(count: number, bound: number, below: (bound: number) => number): Int32Array {
  const all = Int32Array.from({ length: bound }, (_, number) => number);
  for (let i = 0; i < count; i++) {
    const other = i + below(bound - i);
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all.subarray(0, count);
}

function checkWhole(name: string, value: number, least: number, most = Number.MAX_SAFE_INTEGER, what = ''): void {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return;
  const limit = what ? ` to ${most}, ${what}` : most < Number.MAX_SAFE_INTEGER ? ` to ${most}` : ' on';
  throw invalidArgument(`${name} is ${value}; expected a whole number from ${least}${limit}.`);
}
