import type { AttentionDimensions, DenseAttentionProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { matchesReference } from '../compare.ts';
import type { Random } from '../random.ts';
import { inputsFor } from '../seeded-inputs.ts';
import { attentionOf, describeAttention, hugeLogits, manyLongHeads } from './attention.ts';

function make(
  dimensions: Partial<AttentionDimensions>,
  label = '',
  change?: (inputs: Inputs, random: Random, problem: DenseAttentionProblem) => void,
  own: Partial<Case> = {},
): Case {
  const problem: DenseAttentionProblem = { op: 'dense-attention', ...attentionOf(dimensions) };
  const name = `dense-attention: ${describeAttention(problem)}${label && `, ${label}`}`;
  const inputs = inputsFor(name, problem, (given, random) => change?.(given, random, problem));
  return { name, problem, inputs, check: matchesReference(problem), ...own };
}

export function* denseAttentionCases(): Generator<Case> {
  for (const layout of ['heads-first', 'tokens-first'] as const) {
    for (const headDim of [4, 12, 32, 64, 80, 128, 256]) yield make({ layout, headDim, batch: 2 });
    for (const mask of [false, true]) {
      for (const causal of [false, true]) {
        yield make({ layout, queries: 213, batch: 2, headDim: 12, mask, causal });
        yield make({ layout, queries: 62, keys: 91, mask, causal });
        yield make({ layout, queries: 91, keys: 62, mask, causal });
      }
    }
  }
  for (const queries of [1, 2, 15, 16, 17, 63, 64, 65, 127, 128, 129]) {
    yield make({ queries, headDim: 16 });
    yield make({ queries, headDim: 16, causal: true });
  }
  yield make({ queries: 1, keys: 213 });
  yield make({ queries: 213, keys: 1, mask: true });
  yield make({ queries: 1025, heads: 1, headDim: 64 });
  yield make({ ...manyLongHeads, mask: true });
  yield make({ queries: 33, keys: 0 }, 'no keys');
  yield make({ queries: 0, keys: 33 }, 'no queries');
  yield make({ batch: 3, mask: true }, 'one text wholly masked', (inputs, _, p) => {
    inputs.keyMask!.fill(0, p.keys, 2 * p.keys);
    const ofText = p.heads * p.keys * p.headDim;
    for (const name of ['key', 'value']) inputs[name]!.fill(Number.NaN, ofText, 2 * ofText);
  });
  yield make({ scale: 1, queries: 62 }, 'logits up to ±1e4', (inputs, random, p) => hugeLogits(p, inputs, random));
  yield make({ scale: 8 / Math.sqrt(32) }, 'sharp');
  yield make({ scale: 0 }, 'scale 0: the mean');
  yield make({}, 'NaN in one query', (inputs, _, p) => {
    inputs.query![5 * p.headDim] = Number.NaN;
  });
  yield make({ queries: 213, mask: true }, 'five reruns', undefined, { runs: 5 });
  for (const headDim of [6, 260]) yield make({ headDim }, 'may be refused', undefined, { mayRefuse: true });
}
