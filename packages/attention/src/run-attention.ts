// One attention op inside a module's forward pass.

import type { Gate } from '@flashmla/gating';
import { type DeviceTensor, execute, type Plan, type ProblemOf, type Selection, type Tensor } from '@flashmla/tensor';
import { type AttentionProblem, planOf } from './head-dim.ts';
import type { AttentionStep } from './projected-attention.ts';
import { selectionInputs, sparseProblem } from './selection-inputs.ts';

export interface AttentionRun {
  readonly plan: Plan;
  /** [batch, tokens, heads, headDim]; the step's scope owns it. */
  readonly output: DeviceTensor;
  /** float32 [batch, heads, tokens]; the step's scope owns it. */
  readonly lse: DeviceTensor;
}

/** Dispatches dense attention. Raises FlashMLAError 'unsupported' when the backend refuses. */
export function runDense(step: AttentionStep): Promise<AttentionRun> {
  return run(step, { op: 'dense-attention', ...step.dimensions }, {});
}

/** Dispatches attention over `selection`; its tensors may be disposed as soon as the promise resolves. */
export function runSparse(step: AttentionStep, selection: Selection): Promise<AttentionRun> {
  const problem: ProblemOf<'sparse-attention'> = sparseProblem(step.dimensions, selection);
  return run(step, problem, selectionInputs(selection));
}

/** Lets `gate` select k keys a query and dispatches attention over them; the step's scope owns the selection. */
export async function runGated(
  step: AttentionStep,
  gate: Gate,
  k: number,
): Promise<AttentionRun & { selection: Selection }> {
  const { backend, scope, hidden, query, key, keyMask, dimensions, signal } = step;
  const { layout, scale } = dimensions;
  const selection = scope.own(await gate.select({ backend, query, key, layout, keyMask, hidden, k, scale, signal }));
  return { ...(await runSparse(step, selection)), selection };
}

async function run(
  { backend, scope, query, key, value, keyMask, into, signal }: AttentionStep,
  problem: AttentionProblem,
  lists: Readonly<Record<string, Tensor>>,
): Promise<AttentionRun> {
  const plan = planOf(backend, problem);
  const inputs: Record<string, DeviceTensor> = { query, key, value, ...(keyMask && { keyMask }) };
  const uploads: DeviceTensor[] = [];
  try {
    for (const [name, list] of Object.entries(lists)) {
      inputs[name] = scope.device(list);
      uploads.push(inputs[name]);
    }
    const { output, lse } = await execute(backend, problem, inputs, {
      signal,
      ...(into && { outputs: { output: into } }),
    });
    return { plan, output: scope.own(output!), lse: scope.own(lse!) };
  } finally {
    scope.release(...uploads);
  }
}
