import type { AttentionDimensions, DenseAttentionGradientProblem, DenseAttentionProblem } from '@flashmla/tensor';
import type { Case, Inputs } from '../case.ts';
import { gradientsMatch } from '../compare.ts';
import { inputsFor } from '../seeded-inputs.ts';
import { addForwardOutputs, attentionOf, describeAttention, manyLongHeads } from './attention.ts';

function make(
  dimensions: Partial<AttentionDimensions>,
  label = '',
  change?: (inputs: Inputs, problem: DenseAttentionGradientProblem) => void,
  runs = 1,
): Case {
  const problem: DenseAttentionGradientProblem = { op: 'dense-attention-gradient', ...attentionOf(dimensions) };
  const forward: DenseAttentionProblem = { ...problem, op: 'dense-attention' };
  const name = `dense-attention-gradient: ${describeAttention(problem)}${label && `, ${label}`}`;
  const inputs = inputsFor(name, problem, (given) => {
    change?.(given, problem);
    addForwardOutputs(forward, given);
  });
  return { name, problem, inputs, check: gradientsMatch(problem), mayRefuse: true, runs };
}

export function* denseAttentionGradientCases(): Generator<Case> {
  for (const layout of ['heads-first', 'tokens-first'] as const) {
    for (const headDim of [4, 12, 32, 64, 80, 256]) yield make({ layout, headDim, batch: 2 });
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
  yield make({ ...manyLongHeads, mask: true });
  yield make({ batch: 3, mask: true }, 'one text wholly masked', (inputs, p) => {
    inputs.keyMask!.fill(0, p.keys, 2 * p.keys);
    const ofText = p.heads * p.keys * p.headDim;
    for (const name of ['key', 'value']) inputs[name]!.fill(Number.NaN, ofText, 2 * ofText);
  });
  yield make({ scale: 8 / Math.sqrt(32) }, 'sharp');
  yield make({ scale: 0 }, 'scale 0: all keys alike');
  yield make({ queries: 213, mask: true }, 'five reruns', undefined, 5);
  yield make({ headDim: 6 }, 'may be refused');
}
