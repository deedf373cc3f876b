// Sequences of launches that come again go to the device as one graph: a forward pass is then one call of the driver
// instead of some two hundred, and the device needs not wait for the host between its kernels.
//
// Nobody has to ask for it. A sequence is the same when it has the same steps at the same addresses; what is freed and
// taken again in the same order lies at the same addresses (device-memory.ts). The first time it is launched kernel by
// kernel, the second time it is captured and made a graph, from then on the graph is launched. Making one takes
// longer than launching once, so that lengths that come only once never pay for it.

import type { CudaContext } from './context.ts';
import { CudaError, cuda } from './cuda-error.ts';
import type { Handle } from './driver.ts';
import type { Launch } from './recorder.ts';
import { releaseEach } from './releases.ts';

interface Sequence {
  /** Ids of the steps and addresses, one behind the other. */
  readonly signature: readonly number[];
  exec: Handle | undefined;
}

/** Fewer launches are not worth a graph. */
const leastLaunches = 4;
/** Each holds as much memory as its kernels' parameters and what the driver adds. */
const mostGraphs = 16;
/** Sequences that came once are remembered longer than that: a signature is some thousand numbers. */
const mostSequences = 64;

export class Graphs {
  readonly #context: CudaContext;
  readonly #enabled: boolean;
  /** By the hash of the signature; the one used longest ago first. */
  readonly #sequences = new Map<number, Sequence>();
  /** Graphs launched, and kernels that were launched one by one. */
  readonly launches = { graphs: 0, kernels: 0 };

  /** @param enabled false launches every kernel by itself, as some tools want it */
  constructor(context: CudaContext, enabled: boolean) {
    this.#context = context;
    this.#enabled = enabled;
  }

  /** Puts launches on the stream one by one, in order, and calls `after` behind each. Within the context's `run`. */
  launchEach(launches: readonly Launch[], after: (launch: Launch) => void): void {
    for (const launch of launches) {
      this.#put([launch]);
      this.launches.kernels++;
      after(launch);
    }
  }

  /** Puts launches on the stream, in order. Within the context's `run`. */
  launch(launches: readonly Launch[]): void {
    const exec = this.#enabled && launches.length >= leastLaunches ? this.#graphOf(launches) : undefined;
    if (exec === undefined) {
      this.#put(launches);
      this.launches.kernels += launches.length;
    } else {
      this.#context.driver.launchGraph(exec, this.#context.stream);
      this.launches.graphs++;
    }
  }

  /** Destroys all graphs, within the context. @returns what failed */
  release(): unknown[] {
    const failures = releaseEach(this.#sequences.values(), (sequence) => this.#drop(sequence));
    this.#sequences.clear();
    return failures;
  }

  #graphOf(launches: readonly Launch[]): Handle | undefined {
    const { sequence, isNew } = this.#find(signatureOf(launches));
    if (!isNew && sequence.exec === undefined) this.#make(sequence, launches);
    return sequence.exec;
  }

  #find(signature: readonly number[]): { sequence: Sequence; isNew: boolean } {
    const hash = hashOf(signature);
    const known = this.#sequences.get(hash);
    if (known) this.#sequences.delete(hash);
    const same = known !== undefined && isSame(known.signature, signature);
    if (known && !same) this.#drop(known);
    const sequence = known && same ? known : { signature, exec: undefined };
    this.#sequences.set(hash, sequence);
    if (this.#sequences.size > mostSequences) {
      const [[oldestHash, oldest]] = this.#sequences as unknown as [[number, Sequence]];
      this.#sequences.delete(oldestHash);
      this.#drop(oldest);
    }
    return { sequence, isNew: !same };
  }

  /** Makes a sequence a graph. A device without memory for one goes on without. */
  #make(sequence: Sequence, launches: readonly Launch[]): void {
    const { driver, stream } = this.#context;
    this.#dropOldestGraphs();
    const graph = driver.capture(stream, () => this.#put(launches));
    try {
      sequence.exec = driver.instantiateGraph(graph);
    } catch (error) {
      if (!(error instanceof CudaError && error.result === cuda.outOfMemory)) throw error;
    } finally {
      driver.destroyGraph(graph);
    }
  }

  #dropOldestGraphs(): void {
    const graphs = [...this.#sequences.values()].filter(({ exec }) => exec !== undefined);
    for (const oldest of graphs.slice(0, Math.max(0, graphs.length - mostGraphs + 1))) this.#drop(oldest);
  }

  /** A graph that still runs is destroyed once it is done: the driver sees to that. */
  #drop(sequence: Sequence): void {
    const { exec } = sequence;
    sequence.exec = undefined;
    if (exec !== undefined) this.#context.driver.destroyGraphExec(exec);
  }

  /** Whatever captures finds all modules loaded: the first time that a sequence came it was launched as it is. */
  #put(launches: readonly Launch[]): void {
    for (const { prepared, addresses } of launches) prepared.launch(addresses);
  }
}

function signatureOf(launches: readonly Launch[]): number[] {
  const signature: number[] = [];
  for (const { prepared, addresses } of launches) signature.push(prepared.id, ...addresses);
  return signature;
}

/** FNV-1a over the halves of each number, in 32 bits. */
function hashOf(signature: readonly number[]): number {
  let hash = 0x811c9dc5;
  for (const number of signature) {
    hash = Math.imul(hash ^ (number % 2 ** 32), 0x01000193);
    hash = Math.imul(hash ^ (number / 2 ** 32), 0x01000193);
  }
  return hash;
}

const isSame = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((value, at) => value === b[at]);
