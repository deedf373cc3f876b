// PyTorch on the same machine, in a process of its own: torch_peer.py on its GPU, torch_training_peer.py on its CPU.

import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export interface TorchCase {
  readonly subject: 'attention' | 'encoder';
  readonly batch: number;
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  readonly layers: number;
  readonly intermediateDim: number;
}

export interface TorchTimes {
  readonly torch: string;
  readonly cuda: string;
  readonly device: string;
  /** Milliseconds of each copy of `copyBytes`, or why there are none. */
  readonly copy: readonly number[] | string;
  /** For each case, in its order: what was timed → milliseconds of each run, or why there are none. */
  readonly cases: readonly Readonly<Record<string, readonly number[] | string>>[];
}

/** Times the cases; a string says why there are no times. */
export const timeTorch = (
  python: string,
  request: {
    readonly warmUp: number;
    readonly runs: number;
    readonly copyBytes: number;
    readonly cases: readonly TorchCase[];
  },
): Promise<TorchTimes | string> => ask(python, 'torch_peer.py', request);

export interface TorchTrainingTimes {
  readonly torch: string;
  readonly threads: number;
  readonly batches: readonly {
    readonly batch: number;
    readonly tokens: number;
    readonly milliseconds: readonly number[];
  }[];
}

/** Times steps of training on the CPU; a string says why there are no times. */
export const timeTorchTraining = (
  python: string,
  request: {
    readonly threads: number;
    readonly warmUp: number;
    readonly runs: number;
    readonly model: object;
    readonly batches: readonly { readonly batch: number; readonly tokens: number }[];
  },
): Promise<TorchTrainingTimes | string> => ask(python, 'torch_training_peer.py', request);

/** What a script beside this folder answers; a string says why it does not. */
function ask<Answer>(python: string, name: string, request: object): Promise<Answer | string> {
  const script = fileURLToPath(new URL(`../${name}`, import.meta.url));
  return new Promise((resolve) => {
    const child = spawn(python, [script], { stdio: 'pipe' });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk));
    child.on('error', (error) => resolve(`${python} does not start: ${error.message}`));
    child.on('close', (code) => {
      if (code === 0) resolve(JSON.parse(Buffer.concat(output).toString()) as Answer);
      else resolve(Buffer.concat(errors).toString().trim().split('\n').at(-1) || `${python} ended with ${code}`);
    });
    // A program that ends at once does not read; what it says is told when it closes.
    child.stdin.on('error', () => {});
    child.stdin.end(JSON.stringify(request));
  });
}
