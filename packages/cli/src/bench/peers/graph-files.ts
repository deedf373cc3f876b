// Models of peers as files in a temporary folder, each written once: a peer's process reads them.

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PeerGraph } from '@flashmla/workloads';

export class GraphFiles implements AsyncDisposable {
  #folder: string | undefined;
  readonly #files = new Map<PeerGraph, string>();

  /** The file of a graph; the same for the same object. */
  async fileOf(graph: PeerGraph): Promise<string> {
    const known = this.#files.get(graph);
    if (known) return known;
    this.#folder ??= await mkdtemp(join(tmpdir(), 'flashmla-bench-'));
    const file = join(this.#folder, `${this.#files.size}.onnx`);
    await writeFile(file, graph.bytes());
    this.#files.set(graph, file);
    return file;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}
