// What can be chosen, and what it means.

import type { FloatDType } from '@flashmla/tensor';
import type { BackendName, BackendReport, GateName } from './engine/protocol.ts';

/** undefined = by length. */
export const keyCounts: readonly (number | undefined)[] = [undefined, 8, 16, 32, 64, 128];

/** Every gate, the default first. */
export const gates: Readonly<Record<GateName, string>> = {
  content: 'Content: sorts keys by what they say, and takes those whose estimated logit is largest. The default.',
  block: 'Block: whole blocks of neighbours, by their mean key.',
  slot: 'Slot: hashes tokens into slots. It wants learned weights, which the shipped model does not have: expect little.',
  static: 'Static: a window of neighbours and the first tokens. Looks at nothing: the floor.',
  oracle: 'Oracle: computes every logit to find the true top keys. The ceiling of choice, and slow.',
};

/** Those that some browser's GPUs compute in: WGSL and GLSL have no bfloat16. */
export const precisions = ['float32', 'float16'] as const satisfies readonly FloatDType[];

export type Precision = (typeof precisions)[number];

/** What a model can be computed in here: on the chosen backend, or on any that works. */
export function precisionsOf(reports: readonly BackendReport[], chosen: BackendName | undefined): Precision[] {
  const open = reports.filter(({ name, available }) => available && (chosen === undefined || name === chosen));
  return precisions.filter((dtype) => dtype === 'float32' || open.some(({ features }) => features?.includes(dtype)));
}
