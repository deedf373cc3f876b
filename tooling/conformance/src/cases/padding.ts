// Padding changes nothing: in a padded batch, each text gives what it gives alone. What is padding holds NaN.

import {
  type ContentOrderProblem,
  ceilDivide,
  type DenseAttentionProblem,
  type NumberArray,
  type Problem,
  reference,
  type SelectTopKProblem,
  type SparseAttentionProblem,
} from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { checkContentOrder } from '../checks/content-order.ts';
import { checkSelectTopK } from '../checks/select-top-k.ts';
import { compare } from '../compare.ts';
import { pad, padMask, padOrders, unpad } from '../padded.ts';
import { Random } from '../random.ts';
import { seededInputs } from '../seeded-inputs.ts';
import { attentionOf } from './attention.ts';

const heads = 2;
const lengths: readonly number[] = [62, 45, 1, 33];
const tokens = 70;

interface PaddedCase<P extends Problem> {
  name: string;
  /** The problem of one text of this length, or of the whole batch with masks. */
  problemOf: (batch: number, length: number, mask: boolean) => P;
  /** Joins the inputs of the texts; the masks are added for it. */
  join: (texts: Inputs[], problem: P) => Inputs;
  /** Raises unless the outputs that `cut` takes from the batch are right for a text alone. */
  check: (problem: P, inputs: Inputs, cut: (output: string) => NumberArray) => void;
  /** Tokens (tiles) and features of each output. */
  outputs: Record<string, { tokensOf: (length: number) => number; features: number }>;
  masks: readonly string[];
}

function padded<P extends Problem>(own: PaddedCase<P>): Case {
  const problem = own.problemOf(lengths.length, tokens, true);
  const texts = () => {
    const random = new Random(own.name);
    return lengths.map((length) => seededInputs(own.problemOf(1, length, false), random));
  };
  return {
    name: own.name,
    problem,
    inputs: () => ({
      ...own.join(texts(), problem),
      ...Object.fromEntries(own.masks.map((mask) => [mask, padMask(lengths, tokens)])),
    }),
    check(outputs) {
      for (const [batch, inputs] of texts().entries()) {
        const length = lengths[batch]!;
        const cut = (name: string) => {
          const { tokensOf, features } = own.outputs[name]!;
          return unpad(outputs[name]!, { heads, tokens: tokensOf(tokens), features }, batch, tokensOf(length));
        };
        try {
          own.check(own.problemOf(1, length, false), inputs, cut);
        } catch (error) {
          throw new Error(`text ${batch} of ${length} tokens: ${(error as Error).message}`);
        }
      }
    },
  };
}

const headDim = 20;
const attentionOutputs = {
  output: { tokensOf: (length: number) => length, features: headDim },
  lse: { tokensOf: (length: number) => length, features: 1 },
};
const features = (texts: Inputs[], name: string, width: number) =>
  pad(
    texts.map((text) => text[name]!),
    { heads, tokens, features: width },
    Number.NaN,
  );
const orders = (texts: Inputs[], name: string) =>
  texts[0]![name]
    ? {
        [name]: padOrders(
          texts.map((text) => text[name] as Int32Array),
          heads,
          tokens,
        ),
      }
    : {};
const matches = (problem: Problem, inputs: Inputs, cut: (output: string) => NumberArray) => {
  for (const [name, expected] of Object.entries(reference(problem, inputs))) compare(name, cut(name), expected);
};

export function* paddingCases(): Generator<Case> {
  yield padded<DenseAttentionProblem>({
    name: 'dense-attention: padding changes nothing',
    problemOf: (batch, length, mask) => ({
      op: 'dense-attention',
      ...attentionOf({ batch, heads, queries: length, headDim, mask }),
    }),
    join: (texts) => ({
      query: features(texts, 'query', headDim).map((x) => (Number.isNaN(x) ? 0 : x)),
      key: features(texts, 'key', headDim),
      value: features(texts, 'value', headDim),
    }),
    masks: ['keyMask'],
    outputs: attentionOutputs,
    check: matches,
  });
  for (const [tileQueries, blockKeys, residualGroup, ordered] of [
    [1, 1, 0, false],
    [1, 1, 16, true],
    [16, 1, 32, true],
    [16, 16, 0, true],
    [16, 16, 16, false],
    [16, 16, 32, true],
    [64, 64, 64, true],
  ] as const) {
    const slots = Math.max(1, ceilDivide(12, blockKeys));
    const tilesOf = (length: number) => ceilDivide(length, tileQueries);
    yield padded<SparseAttentionProblem>({
      name: `sparse-attention: padding changes nothing, tiles ${tileQueries}×${blockKeys}, residual ${residualGroup}${ordered ? ', orders' : ''}`,
      problemOf: (batch, length, mask) => ({
        op: 'sparse-attention',
        ...attentionOf({ batch, heads, queries: length, headDim, mask }),
        tileQueries,
        blockKeys,
        slots,
        keyOrder: ordered,
        queryOrder: ordered,
        residualGroup,
      }),
      join: (texts) => ({
        query: features(texts, 'query', headDim).map((x) => (Number.isNaN(x) ? 0 : x)),
        key: features(texts, 'key', headDim),
        value: features(texts, 'value', headDim),
        indices: pad(
          texts.map((text) => text.indices!),
          { heads, tokens: tilesOf(tokens), features: slots },
          -1,
        ),
        ...orders(texts, 'keyOrder'),
        ...orders(texts, 'queryOrder'),
      }),
      masks: ['keyMask'],
      outputs: attentionOutputs,
      check: matches,
    });
  }
  yield padded<ContentOrderProblem>({
    name: 'content-order: padding changes nothing',
    problemOf: (batch, length, mask) => ({
      op: 'content-order',
      batch,
      heads,
      tokens: length,
      rank: 8,
      leaf: 16,
      mask,
    }),
    join: (texts) => ({ points: features(texts, 'points', 8) }),
    masks: ['mask'],
    outputs: { order: { tokensOf: (length) => length, features: 1 } },
    check: (problem, inputs, cut) => checkContentOrder(problem, inputs, cut('order')),
  });
  for (const [tileQueries, blockKeys, coarseBlocks] of [
    [1, 1, 0],
    [1, 1, 8],
    [16, 16, 0],
    [64, 64, 0],
  ] as const) {
    const slots = Math.max(1, ceilDivide(12, blockKeys));
    yield padded<SelectTopKProblem>({
      name: `select-top-k: padding changes nothing, tiles ${tileQueries}×${blockKeys}${coarseBlocks ? ', two levels' : ''}`,
      problemOf: (batch, length, mask) => ({
        op: 'select-top-k',
        batch,
        heads,
        queries: length,
        keys: length,
        rank: 8,
        tileQueries,
        blockKeys,
        slots,
        headSlots: false,
        keyOrder: true,
        queryOrder: true,
        mask,
        causal: false,
        forceFirst: 1,
        forceDiagonal: 0,
        biasSpan: -1,
        coarseBlocks,
        coarseSlots: coarseBlocks ? 2 : 0,
      }),
      join: (texts) => ({
        query: features(texts, 'query', 8),
        key: features(texts, 'key', 8),
        ...orders(texts, 'keyOrder'),
        ...orders(texts, 'queryOrder'),
      }),
      masks: ['keyMask', 'queryMask'],
      outputs: { indices: { tokensOf: (length) => ceilDivide(length, tileQueries), features: slots } },
      check: (problem, inputs, cut) => checkSelectTopK(problem, inputs, cut('indices')),
    });
  }
}
