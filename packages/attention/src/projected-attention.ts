// What dense and sparse modules share: whose projections they use, and the way from x to the output. Which keys a query
// attends to is the subclass's part.

import {
  type AttentionDimensions,
  asUint8,
  type Backend,
  checkFloats,
  checkMask,
  DeviceTensor,
  describeValue,
  FlashMLAError,
  formatShape,
  recoverFor,
  type Tensor,
} from '@flashmla/tensor';
import type { AttachTarget, AttentionModule, AttentionProjections, ForwardOptions } from './module.ts';
import { checkProjections, type DeviceProjections, initialProjections, onDevice, project } from './projections.ts';
import { Scope } from './scope.ts';
import { sharedBackend } from './shared-backend.ts';

export interface AttentionModuleOptions {
  /** Features of a token; a multiple of heads. */
  dim: number;
  heads: number;
  /**
   * Where a module that no model has attached runs; default: the backend of x, else one that `selectBackend()` opens and
   * all such modules share.
   */
  backend?: Backend;
  /** Weights of a module that no model has attached; default: random, from `seed`. */
  projections?: AttentionProjections;
  /** Of the random weights; default 0. */
  seed?: number;
}

/** One forward pass, when queries, keys and values are there. */
export interface AttentionStep {
  readonly backend: Backend;
  /** Owns query, key, value and what was uploaded: release each when the last op that reads it is dispatched. */
  readonly scope: Scope;
  /** [batch, tokens, dim]: x, of the dtype in `dimensions`. */
  readonly hidden: DeviceTensor;
  /** [batch, queries, heads, headDim] in that dtype; key and value: [batch, keys, heads, headDim]. */
  readonly query: DeviceTensor;
  readonly key: DeviceTensor;
  readonly value: DeviceTensor;
  /** uint8 [batch, tokens]. */
  readonly keyMask: DeviceTensor | undefined;
  readonly dimensions: AttentionDimensions;
  readonly signal: AbortSignal | undefined;
}

interface Attachment {
  readonly backend: Backend;
  readonly projections: DeviceProjections;
  /** The projections that came from the host. */
  readonly uploads: Scope;
}

export abstract class ProjectedAttention implements AttentionModule, Disposable {
  readonly dim: number;
  readonly heads: number;
  readonly #title: string;
  readonly #options: AttentionModuleOptions;
  #attachment: Attachment | undefined;
  #opening: Promise<Attachment> | undefined;
  #disposed = false;

  /** @param name the class's, for messages: bundlers shorten names of classes */
  protected constructor(name: string, options: AttentionModuleOptions) {
    const { dim, heads, backend, projections } = options;
    if (!isPositive(dim) || !isPositive(heads) || dim % heads !== 0) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] dim is ${dim} and heads is ${heads}; expected whole numbers ≥ 1, dim a multiple of heads.`,
      );
    }
    this.dim = dim;
    this.heads = heads;
    this.#title = `${name}({ dim: ${dim}, heads: ${heads} })`;
    if (backend !== undefined && typeof backend?.upload !== 'function') {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] backend is ${describeValue(backend)}; expected an open one, as selectBackend() gives, or none.`,
      );
    }
    if (projections) checkProjections(projections, this.#title, dim);
    this.#options = options;
  }

  /**
   * Takes over a layer: its projections, its backend. The model calls this when the module is assigned to a layer.
   *
   * @throws FlashMLAError 'invalid-argument' when dim or heads don't fit the layer, or the module already serves one
   */
  attach(target: AttachTarget): void {
    this.#checkUsable();
    if (this.#attachment || this.#opening) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${this.#title} already serves a layer or ran on its own; make one module for each layer, or detach() it first.`,
      );
    }
    if (target.heads !== undefined && target.heads !== this.heads) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${this.#title} was given to a layer with ${target.heads} heads; make it with heads: ${target.heads}.`,
      );
    }
    checkProjections(target.projections, this.#title, this.dim);
    this.#attachment = attachmentOf(target.backend, () => target.projections);
  }

  /** Gives the layer back. The module may be attached again. Calls in flight must have ended. */
  detach(): void {
    this.#attachment?.uploads.dispose();
    this.#attachment = undefined;
  }

  async forward(x: Tensor, { keyMask, query: sole, signal }: ForwardOptions = {}): Promise<DeviceTensor> {
    this.#checkUsable();
    signal?.throwIfAborted();
    const only = sole && !this.needsAllQueries ? sole : undefined;
    const dimensions = this.#dimensionsOf(x, keyMask, only);
    const { backend, projections } = this.#attachment ?? (await this.#open(x));
    checkFloats(`[attention] ${this.#title}.forward:`, {
      'the weights': projections.query.weight,
      x,
      ...(only && { query: only }),
    });
    await recoverFor(backend, x);
    const scope = new Scope(backend);
    try {
      const { batch, queries, keys, heads, headDim } = dimensions;
      const hidden = scope.device(x);
      const asking = only ? scope.device(only) : hidden;
      const mask = keyMask && scope.device(asUint8(keyMask));
      const split = [batch, keys, heads, headDim];
      const queryShape = [batch, queries, heads, headDim];
      const query = scope.own(await project(backend, asking, projections.query, queryShape, signal));
      const key = scope.own(await project(backend, hidden, projections.key, split, signal));
      const value = scope.own(await project(backend, hidden, projections.value, split, signal));
      const step = { backend, scope, hidden, query, key, value, keyMask: mask, dimensions, signal };
      const attended = await this.attend(step);
      const shape = only ? [batch, this.dim] : x.shape;
      const output = scope.own(await project(backend, attended, projections.output, shape, signal));
      signal?.throwIfAborted();
      return scope.keep(output);
    } catch (error) {
      // A module disposed meanwhile makes an op fail over the weights that are gone; say why they are.
      this.#checkUsable();
      throw error;
    } finally {
      scope.dispose();
    }
  }

  /** Ends the module: what it uploaded is given back. Outputs stay valid. */
  dispose(): void {
    this.#disposed = true;
    this.detach();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Whether all tokens must attend even where the output of one is all that is asked for. */
  protected get needsAllQueries(): boolean {
    return false;
  }

  /** Dispatches the attention itself; returns [batch, queries, heads, headDim], owned by the step's scope. */
  protected abstract attend(step: AttentionStep): Promise<DeviceTensor>;

  /** Uses the module's own weights; concurrent first calls share the work. */
  #open(x: Tensor): Promise<Attachment> {
    this.#opening ??= this.#openOwn(x).finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #openOwn(x: Tensor): Promise<Attachment> {
    const { backend: given, projections, seed = 0 } = this.#options;
    const backend = given ?? (x instanceof DeviceTensor ? x.backend : await sharedBackend());
    await recoverFor(backend, x);
    this.#checkUsable();
    const { dim } = this;
    this.#attachment = attachmentOf(backend, () => projections ?? initialProjections(dim, seed));
    return this.#attachment;
  }

  #dimensionsOf(x: Tensor, keyMask: Tensor | undefined, query: Tensor | undefined): AttentionDimensions {
    const dtype = checkFloats(`[attention] ${this.#title}.forward:`, { x });
    if (x.shape.length !== 3 || x.shape[2] !== this.dim) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${this.#title}.forward was given ${formatShape(x.shape)}; expected [batch, tokens, ${this.dim}].`,
      );
    }
    const [batch, tokens] = x.shape as [number, number, number];
    if (keyMask) checkMask('[attention]', 'keyMask', keyMask, batch, tokens);
    if (query && (query.shape.length !== 2 || query.shape[0] !== batch || query.shape[1] !== this.dim)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${this.#title}.forward was given a query of ${formatShape(query.shape)}; expected [${batch}, ${this.dim}], ` +
          'one token of each text.',
      );
    }
    const headDim = this.dim / this.heads;
    return {
      batch,
      heads: this.heads,
      queries: query ? 1 : tokens,
      keys: tokens,
      headDim,
      layout: 'tokens-first',
      scale: 1 / Math.sqrt(headDim),
      mask: Boolean(keyMask),
      causal: false,
      dtype,
    };
  }

  #checkUsable(): void {
    if (!this.#disposed) return;
    throw new FlashMLAError('disposed', `[attention] ${this.#title} was disposed; make a new one.`);
  }
}

function attachmentOf(backend: Backend, given: () => AttentionProjections): Attachment {
  const uploads = new Scope(backend);
  try {
    return { backend, projections: onDevice(given, uploads), uploads };
  } catch (error) {
    uploads.dispose();
    throw error;
  }
}

function isPositive(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
