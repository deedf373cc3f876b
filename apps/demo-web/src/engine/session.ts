// What is open in the worker: one backend and one model on it. The calls of protocol.ts are its methods.

import { explain, probeBackends, selectBackend } from '@flashmla/backend';
import { recommendK } from '@flashmla/gating';
import { type EncoderModel, loadModel, type ModelFiles } from '@flashmla/model-swap';
import { type Backend, FlashMLAError } from '@flashmla/tensor';
import { analyse } from './analyse.ts';
import { fetchFiles } from './model-files.ts';
import type {
  LoadEvent,
  ModelChoice,
  Opened,
  OpenRequest,
  Planned,
  PlanRequest,
  Probe,
  RunEvent,
  RunRequest,
} from './protocol.ts';

interface Open {
  readonly backend: Backend;
  readonly model: EncoderModel;
}

export class Session {
  #open: Open | undefined;
  /** What was fetched last: the same model on another backend is not fetched again. */
  #fetched: { readonly urls: string; readonly files: ModelFiles } | undefined;

  async probe(): Promise<Probe> {
    return { reports: await probeBackends() };
  }

  /** Opens a backend and loads a model on it, in the place of what was open. */
  async open(
    { backend: wanted, dtype, model: choice }: OpenRequest,
    report: (event: LoadEvent) => void,
    signal: AbortSignal,
  ): Promise<Opened> {
    await this.#close();
    // Fetching and opening go side by side.
    const fetching = this.#files(choice, report, signal);
    const opening = selectBackend({ signal, dtype, ...(wanted !== undefined && { require: wanted }) });
    const [fetched, opened] = await Promise.allSettled([fetching, opening]);
    if (opened.status === 'rejected') throw opened.reason;
    const backend = opened.value;
    try {
      if (fetched.status === 'rejected') throw fetched.reason;
      const progress = ({ done, total }: { done: number; total: number }) => report({ task: 'load', done, total });
      const model = await loadModel(fetched.value, { backend, dtype, signal, progress });
      this.#open = { backend, model };
      const { modelDim, heads, headDim, maxTokens } = model.architecture;
      const layers = model.encoder.layer.length;
      return {
        backend: backend.name,
        device: backend.device.description,
        why: explain(backend),
        isolated: globalThis.crossOriginIsolated,
        model: { name: choice.name, layers, heads, headDim, modelDim, maxTokens, labels: model.labels },
      };
    } catch (error) {
      await backend.dispose();
      throw error;
    }
  }

  async plan({ text, k }: PlanRequest): Promise<Planned> {
    const { model } = this.#opened();
    const [encoded] = model.encode(text);
    const { ids, truncated } = encoded!;
    const planned = await model.plan(ids.length, k === undefined ? {} : { k });
    return {
      tokens: ids.length,
      truncated,
      k: k ?? recommendK(ids.length),
      sparseBytes: planned.bytes,
      denseBytes: planned.denseBytes,
      weightBytes: planned.weightBytes,
      sparseFlops: planned.flops,
      denseFlops: planned.denseFlops,
    };
  }

  async run(
    request: RunRequest,
    report: (event: RunEvent, transfer?: Transferable[]) => void,
    signal: AbortSignal,
  ): Promise<null> {
    await analyse(this.#opened().model, request, report, signal);
    return null;
  }

  async #files(choice: ModelChoice, report: (event: LoadEvent) => void, signal: AbortSignal): Promise<ModelFiles> {
    if ('files' in choice) return choice.files;
    const urls = JSON.stringify(choice.urls);
    if (this.#fetched?.urls !== urls) {
      this.#fetched = { urls, files: await fetchFiles(choice.urls, report, signal) };
    }
    return this.#fetched.files;
  }

  #opened(): Open {
    if (this.#open) return this.#open;
    throw new FlashMLAError('disposed', '[demo] no model is open; choose a backend.');
  }

  async #close(): Promise<void> {
    const open = this.#open;
    this.#open = undefined;
    await open?.model.dispose();
    await open?.backend.dispose();
  }
}
