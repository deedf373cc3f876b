// A peer in a process of its own: onnxruntime-web (its wasm build) or onnxruntime-node (its CPU build). It runs here as it
// does for its users: a run blocks the event loop until it is done.
//
// Loaded from the folder that the command runs in, else from where the command line is installed; neither is a dependency
// of the published command line, and neither's install script is needed (onnxruntime-node's fetches CUDA libraries).

import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { PeerInput, PeerName } from '@flashmla/workloads';
import type * as Onnxruntime from 'onnxruntime-web';
import type { LoadCall, PeerAnswers, PeerCall, PeerFailure, PeerReply, RunCall } from './protocol.ts';

type Runtime = typeof Onnxruntime;

interface Loaded {
  readonly runtime: Runtime;
  readonly session: Onnxruntime.InferenceSession;
  readonly inputs: LoadCall['inputs'];
}

/** A failure that is told as it is. */
class Told extends Error {
  readonly code: PeerFailure['code'];

  constructor(code: PeerFailure['code'], message: string) {
    super(message);
    this.code = code;
  }
}

let loaded: Loaded | undefined;

process.on('message', async (call: PeerCall) => {
  const reply: PeerReply = await answer(call).then(
    (result) => ({ result }),
    (error: unknown) => ({ failure: failureOf(error) }),
  );
  process.send!(reply);
});

async function answer(call: PeerCall): Promise<PeerAnswers[PeerCall['call']]> {
  if (call.call === 'load') return load(call);
  const start = performance.now();
  const output = await run(loaded!, call);
  return call.call === 'run' ? performance.now() - start : output;
}

/** All graph optimisations on, everything else as the peer has it by default. */
async function load({ name, modelFile, inputs, threads }: LoadCall): Promise<string> {
  // Where memory runs out, the system should take this process and no other; elsewhere than on Linux it decides alone.
  await writeFile('/proc/self/oom_score_adj', '1000').catch(() => {});
  const runtime = await runtimeOf(name);
  const isWeb = name === 'onnxruntime-web';
  if (isWeb) runtime.env.wasm.numThreads = threads;
  const session = await runtime.InferenceSession.create(modelFile, {
    graphOptimizationLevel: 'all',
    // What a rejected run says is all that is wanted of the peer's log.
    logSeverityLevel: 4,
    ...(isWeb
      ? { executionProviders: ['wasm'] }
      : { executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1 }),
  });
  // It goes on with one thread, after a warning, where it can't have more; a benchmark must not.
  if (isWeb && runtime.env.wasm.numThreads !== threads) {
    throw new Told(
      'unsupported',
      `${threads} threads were asked for, it runs with ${runtime.env.wasm.numThreads} here`,
    );
  }
  loaded = { runtime, session, inputs };
  return runtime.env.versions[isWeb ? 'web' : 'node'] ?? runtime.env.versions.common;
}

async function run({ runtime, session, inputs }: Loaded, { output }: RunCall): Promise<Float32Array> {
  const tensorOf = ({ data, shape }: PeerInput) =>
    data instanceof Float32Array
      ? new runtime.Tensor('float32', data, shape)
      : new runtime.Tensor('int64', data, shape);
  const feeds = Object.fromEntries(Object.entries(inputs).map(([input, given]) => [input, tensorOf(given)]));
  const outputs = await session.run(feeds, [output]);
  return outputs[output]!.data as Float32Array;
}

/** Both packages export the API of onnxruntime-common. The name is no literal, so that no bundler takes a peer in. */
async function runtimeOf(name: PeerName): Promise<Runtime> {
  const project = createRequire(join(process.cwd(), 'package.json'));
  try {
    return isThere(project, name) ? (project(name) as Runtime) : ((await import(name)) as Runtime);
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    const reason = isMissing ? 'it is not installed' : `it is installed and does not load: ${messageOf(cause)}`;
    throw new Told('backend-unavailable', reason);
  }
}

function isThere(project: NodeJS.Require, name: string): boolean {
  try {
    project.resolve(name);
    return true;
  } catch {
    return false;
  }
}

/** What onnxruntime and V8 say when memory is out. */
const outOfMemory = /bad[_ ]alloc|out of memory|\bOOM\b|failed to allocate|allocation failed|could not allocate/i;

function failureOf(error: unknown): PeerFailure {
  const message = messageOf(error);
  if (error instanceof Told) return { code: error.code, message };
  return { code: outOfMemory.test(message) ? 'out-of-memory' : 'backend-failed', message };
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : `it threw ${String(error)}`);
