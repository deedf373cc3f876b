// A gate whose choice is known beforehand, so that what a module computes can be said exactly.

import type { Gate, GateInputs } from '@flashmla/gating';
import { type HostTensor, type Selection, selectionOf, tensor } from '@flashmla/tensor';

/** Whether this gate lists `key` for `query`: k keys spread over the text, other ones for each head. */
export function listsKey(tokens: number, k: number, head: number, query: number, key: number): boolean {
  return listOf(tokens, k, head, query).includes(key);
}

function listOf(tokens: number, k: number, head: number, query: number): number[] {
  const step = Math.max(1, Math.floor(tokens / k));
  return Array.from({ length: k }, (_, slot) => (query + head + slot * step) % tokens).sort((a, b) => a - b);
}

export class FixedGate implements Gate {
  readonly name = 'static';
  readonly needsHidden = false;
  readonly needsFit = false;
  readonly k?: number;
  /** How often `select` was called, and the k it was given last. */
  calls = 0;
  disposals = 0;

  constructor(k?: number) {
    if (k !== undefined) this.k = k;
  }

  async select({ backend, query, k = 1 }: GateInputs): Promise<Selection> {
    this.calls += 1;
    const [batch, tokens, heads] = query.shape as [number, number, number];
    // Lets other calls run in between, as a gate that waits for its device does.
    await new Promise((resolve) => setTimeout(resolve, 1));
    const indices: number[] = [];
    for (let b = 0; b < batch; b++) {
      for (let h = 0; h < heads; h++) {
        for (let i = 0; i < tokens; i++) indices.push(...listOf(tokens, k, h, i));
      }
    }
    const onDevice = (given: HostTensor) => backend.upload(given);
    return selectionOf({
      tileQueries: 1,
      blockKeys: 1,
      indices: onDevice(tensor(Int32Array.from(indices), [batch, heads, tokens, k])),
      residualGroup: 0,
    });
  }

  dispose(): void {
    this.disposals += 1;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
