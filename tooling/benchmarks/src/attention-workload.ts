// Attention alone with BERT-base's heads: queries, keys and values lie on the device beforehand, the output stays there.
// The sparse side includes all of the gate's work but its fitting, which is done once.
//
// The inputs are noise. Neither time nor memory depends on what they hold, but for the rank: a gate fitted to noise would
// choose the largest, 32, where the heads of real models on real texts take 8.

import { sparseAttention } from '@flashmla/attention';
import { ContentGate, type ContentGateState, type ContentShape } from '@flashmla/gating';
import { type Backend, type DeviceTensor, randomNormal, randomSource, tensor } from '@flashmla/tensor';

export const heads = 12;
export const headDim = 64;

export interface Inputs {
  readonly query: DeviceTensor; // f32 [1, heads, tokens, headDim], as key and value
  readonly key: DeviceTensor;
  readonly value: DeviceTensor;
}

export function uploadInputs(backend: Backend, tokens: number): Inputs {
  const shape = [1, heads, tokens, headDim];
  const upload = (seed: number) =>
    backend.upload(tensor(randomNormal(heads * tokens * headDim, randomSource(seed)), shape));
  return { query: upload(1), key: upload(2), value: upload(3) };
}

/** What one run gives: output and lse, both f32. */
export const outputBytes = (tokens: number): number => 4 * heads * tokens * (headDim + 1);

/** A gate space for such inputs. */
export async function fitOnNoise(k: number, rank: number | undefined): Promise<ContentGateState> {
  const tokens = 1024;
  const sample = (seed: number) => randomNormal(tokens * heads * headDim, randomSource(seed));
  const gate = new ContentGate({ k, rank });
  await gate.fit([{ query: sample(4), key: sample(5), tokens }], { heads, headDim });
  return gate.state();
}

export function fittedGate(state: ContentGateState, k: number, shape: ContentShape): ContentGate {
  const gate = new ContentGate({ k, shape });
  gate.load(state);
  return gate;
}

export interface Times {
  readonly gateMs: number;
  /** Gate and attention. */
  readonly totalMs: number;
}

export async function runSparse(backend: Backend, inputs: Inputs, gate: ContentGate): Promise<Times> {
  const start = performance.now();
  const selection = await gate.select({ backend, query: inputs.query, key: inputs.key });
  await backend.synchronize();
  const gateMs = performance.now() - start;
  const { output, lse } = await sparseAttention(backend, { ...inputs, selection });
  selection.dispose();
  await backend.synchronize();
  const totalMs = performance.now() - start;
  output.dispose();
  lse.dispose();
  return { gateMs, totalMs };
}
