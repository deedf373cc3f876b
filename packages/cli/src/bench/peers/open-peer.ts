// The benchmark's side of a peer: a process that loads one ONNX model and runs it. A process of its own, because a peer
// that is out of memory takes its process with it, one that takes too long can't be stopped otherwise, and
// onnxruntime-web never gives back what its memory once grew to.
//
// Timing is the peer's own, so that what is said between the processes is not in it; alternation (see `settleMs`) and
// comparison of outputs are the caller's.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FlashMLAError } from '@flashmla/tensor';
import type { PeerInput, PeerName } from '@flashmla/workloads';
import { TimeLimitError } from '../time-limit.ts';
import type { PeerAnswers, PeerCall, PeerFailure, PeerReply } from './protocol.ts';

/**
 * How long a peer may keep a core busy after a run, its threads waiting for the next one, with a margin: 30 to 60 ms of
 * CPU time were seen in 1.30 (both peers, two threads, AMD EPYC). Wait this long before timing anything else.
 */
export const settleMs = 120;

export interface PeerOptions {
  readonly inputs: Readonly<Record<string, PeerInput>>;
  /** Threads a run uses, the calling one included. */
  readonly threads: number;
  /** Longest that one call may take. */
  readonly limitMs: number;
  readonly signal: AbortSignal;
  /** The built peer-process.js; default: beside this file, as the command line is built. */
  readonly script?: URL;
}

/** A model loaded into a peer. What fails, is out of memory or over the limit ends it. */
export interface Peer {
  readonly name: PeerName;
  /** Version of the installed package. */
  readonly version: string;
  /** The values of the model's output of this name, flat. */
  output(output: string): Promise<Float32Array>;
  /** Runs the model for the output of this name; resolves to the milliseconds it took. */
  run(output: string): Promise<number>;
  dispose(): void;
}

/**
 * Loads an ONNX file into a peer.
 *
 * @throws FlashMLAError, here and from a run, `backend-unavailable` when the package is not installed or does not load,
 *   `unsupported` when it can't use `threads` threads, `out-of-memory`, `backend-failed` with the peer's own message;
 *   TimeLimitError for a call that took too long
 */
export async function openPeer(name: PeerName, modelFile: string, options: PeerOptions): Promise<Peer> {
  const { inputs, threads, limitMs, signal, script = new URL('./peer-process.js', import.meta.url) } = options;
  signal.throwIfAborted();
  const child = fork(fileURLToPath(script), [], {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const stop = () => child.kill('SIGKILL');
  signal.addEventListener('abort', stop);
  const dispose = () => {
    signal.removeEventListener('abort', stop);
    stop();
  };
  let version = '';
  const ask = async <Call extends PeerCall>(call: Call, action: string): Promise<PeerAnswers[Call['call']]> => {
    try {
      return (await reply(child, call, limitMs)) as PeerAnswers[Call['call']];
    } catch (error) {
      dispose();
      signal.throwIfAborted();
      throw error instanceof PeerError ? errorOf(name, version, action, error.failure) : error;
    }
  };
  version = await ask({ call: 'load', name, modelFile, inputs, threads }, 'load the model');
  return {
    name,
    version,
    output: (output) => ask({ call: 'output', output }, 'run the model'),
    run: (output) => ask({ call: 'run', output }, 'run the model'),
    dispose,
  };
}

class PeerError extends Error {
  readonly failure: PeerFailure;

  constructor(failure: PeerFailure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** Sends one call, and waits for its answer, the end of the process or of the time. */
function reply(child: ChildProcess, call: PeerCall, limitMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle(() => reject(new TimeLimitError(limitMs))), limitMs);
    const onMessage = (answer: PeerReply) =>
      settle(() => ('result' in answer ? resolve(answer.result) : reject(new PeerError(answer.failure))));
    const onExit = (code: number | null, signal: string | null) =>
      settle(() => reject(new PeerError(endOf(code, signal))));
    const settle = (how: () => void) => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit).off('error', reject);
      how();
    };
    child.on('message', onMessage).on('exit', onExit).on('error', reject);
    child.send(call, (error) => error && settle(() => reject(error)));
  });
}

/** What the end of a process means that nobody here asked for. */
function endOf(code: number | null, signal: string | null): PeerFailure {
  // Linux kills whoever is to blame for the want of memory; C++ aborts at an allocation that failed, and so does V8.
  if (signal === 'SIGKILL' || signal === 'SIGABRT') {
    return { code: 'out-of-memory', message: `its process was ended by ${signal}, most likely for want of memory` };
  }
  return { code: 'backend-failed', message: `its process ended, ${signal ?? `with code ${code}`}` };
}

function errorOf(name: PeerName, version: string, action: string, { code, message }: PeerFailure): FlashMLAError {
  const said = message.trim().replace(/\.$/, '');
  if (code === 'backend-unavailable') {
    const text =
      `[flashmla] the peer ${name} was asked for, and ${said}. Run \`npm install ${name}\` in your project or beside ` +
      'flashmla, or leave it out of --peers.';
    return new FlashMLAError(code, text);
  }
  const advice = code === 'unsupported' ? 'Ask for as many.' : 'Shorten the input, or leave this peer out of --peers.';
  return new FlashMLAError(code, `[flashmla] ${`${name} ${version}`.trim()} could not ${action}: ${said}. ${advice}`);
}
