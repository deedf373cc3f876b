// Attention cases that were computed elsewhere, in float64: a check of the references themselves as well as of backends.
//
// One safetensors file a case: query, key, value f32 [batch, heads, tokens, headDim]; output and lse f64; optional
// indices i32 [batch, heads, tiles, slots], keyOrder and queryOrder i32 [batch, heads, tokens], keyMask u8 [batch, keys].
// Its metadata: tileQueries, blockKeys (0 = dense), residualGroup, causal.

import {
  decodeSafetensors,
  type NumberArray,
  type Problem,
  type SparseAttentionProblem,
  safetensorsMetadata,
} from '@flashmla/tensor';
import type { Case } from './case.ts';
import { attentionOf } from './cases/attention.ts';
import { compare } from './compare.ts';

const tolerance = { absolute: 2e-5, relative: 1e-4, cosine: 1e-9 };

/** The case that the bytes of a fixture file hold. */
export function fixtureCase(fileName: string, bytes: Uint8Array): Case {
  const tensors = decodeSafetensors(bytes, fileName);
  const metadata = safetensorsMetadata(bytes, fileName);
  const number = (name: string) => Number(metadata[name] ?? 0);
  const required = (name: string) => {
    const found = tensors.get(name);
    if (!found) throw new Error(`fixture ${fileName} has no tensor '${name}'`);
    return found;
  };
  const [batch, heads, queries, headDim] = required('query').shape as [number, number, number, number];
  const attention = attentionOf({
    batch,
    heads,
    queries,
    keys: required('key').shape[2]!,
    headDim,
    mask: tensors.has('keyMask'),
    causal: number('causal') === 1,
  });
  const sparse = (): SparseAttentionProblem => ({
    op: 'sparse-attention',
    ...attention,
    tileQueries: number('tileQueries'),
    blockKeys: number('blockKeys'),
    slots: required('indices').shape[3]!,
    keyOrder: tensors.has('keyOrder'),
    queryOrder: tensors.has('queryOrder'),
    residualGroup: number('residualGroup'),
  });
  const problem: Problem = number('blockKeys') === 0 ? { op: 'dense-attention', ...attention } : sparse();
  const expected = ['output', 'lse'] as const;
  return {
    name: `${problem.op}: fixture ${fileName}`,
    problem,
    inputs: () =>
      Object.fromEntries(
        [...tensors]
          .filter(([name]) => name !== 'output' && name !== 'lse')
          .map(([name, { array }]) => [name, array as NumberArray]),
      ),
    check(outputs) {
      for (const name of expected) compare(name, outputs[name]!, required(name).array as NumberArray, tolerance);
    },
  };
}
