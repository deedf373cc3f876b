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
  /** What attention is to write to; absent: a tensor of its own. */
  readonly into?: DeviceTensor;
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

  /** On a backend with views of rows, where nothing is to be measured or kept of all texts together. */
  get packs(): boolean {
    const backend = this.#attachment?.backend ?? this.#options.backend;
    return backend?.rows !== undefined && !this.needsAllQueries;
  }

  async forward(x: Tensor, { keyMask, query: sole, texts, signal }: ForwardOptions = {}): Promise<DeviceTensor> {
    this.#checkUsable();
    signal?.throwIfAborted();
    const only = sole && !this.needsAllQueries ? sole : undefined;
    const dimensions = this.#dimensionsOf(x, keyMask, only, texts);
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
      const attended = texts ? await this.#attendPacked(step, texts) : await this.attend(step);
      const shape = only ? only.shape : x.shape;
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

  /** Attention text by text, on views of their rows; texts of one length that follow one another go together. */
  async #attendPacked(step: AttentionStep, texts: readonly number[]): Promise<DeviceTensor> {
    const { backend, scope, dimensions } = step;
    const { heads, headDim, queries, dtype = 'float32' } = dimensions;
    const sole = queries === texts.length && queries < dimensions.keys;
    const output = scope.own(backend.allocate(step.query.shape, dtype));
    for (const { first, batch, start, tokens } of runsOf(texts)) {
      const views = new Scope(backend);
      const rows = batch * tokens;
      const split = [batch, tokens, heads, headDim];
      const ofKeys = (whole: DeviceTensor) => views.own(viewOf(whole, heads * start, heads * (start + rows), split));
      const ofQueries = (whole: DeviceTensor) =>
        sole
          ? views.own(viewOf(whole, heads * first, heads * (first + batch), [batch, 1, heads, headDim]))
          : ofKeys(whole);
      try {
        await this.attend({
          ...{ ...step, scope: views },
          dimensions: { ...dimensions, batch, queries: sole ? 1 : tokens, keys: tokens },
          hidden: views.own(viewOf(step.hidden, start, start + rows, [batch, tokens, this.dim])),
          ...{ query: ofQueries(step.query), key: ofKeys(step.key), value: ofKeys(step.value) },
          into: ofQueries(output),
        });
      } finally {
        views.dispose();
      }
    }
    scope.release(step.query, step.key, step.value);
    return output;
  }

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

  #dimensionsOf(
    x: Tensor,
    keyMask: Tensor | undefined,
    query: Tensor | undefined,
    packed: readonly number[] | undefined,
  ): AttentionDimensions {
    const dtype = checkFloats(`[attention] ${this.#title}.forward:`, { x });
    if (x.shape.length !== 3 || x.shape[2] !== this.dim) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${this.#title}.forward was given ${formatShape(x.shape)}; expected [batch, tokens, ${this.dim}].`,
      );
    }
    const [batch, tokens] = x.shape as [number, number, number];
    if (packed) this.#checkPacked(x, packed, keyMask);
    const texts = packed?.length ?? batch;
    if (keyMask) checkMask('[attention]', 'keyMask', keyMask, batch, tokens);
    if (query && (query.shape.length !== 2 || query.shape[0] !== texts || query.shape[1] !== this.dim)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] ${this.#title}.forward was given a query of ${formatShape(query.shape)}; expected [${texts}, ${this.dim}], ` +
          'one token of each text.',
      );
    }
    const headDim = this.dim / this.heads;
    return {
      batch,
      heads: this.heads,
      queries: query ? texts / batch : tokens,
      keys: tokens,
      headDim,
      layout: 'tokens-first',
      scale: 1 / Math.sqrt(headDim),
      mask: Boolean(keyMask),
      causal: false,
      dtype,
    };
  }

  #checkPacked(x: Tensor, texts: readonly number[], keyMask: Tensor | undefined): void {
    const total = texts.reduce((sum, tokens) => sum + tokens, 0);
    const fits = x.shape[0] === 1 && x.shape[1] === total && texts.every((tokens) => isPositive(tokens));
    if (this.packs && fits && !keyMask) return;
    const given = `[attention] ${this.#title}.forward was given ${formatShape(x.shape)} as ${texts.length} texts of ${total} tokens`;
    throw new FlashMLAError(
      'invalid-argument',
      !this.packs
        ? `${given}; this module, or its backend, does not take texts without padding (packs).`
        : `${given}${keyMask ? ' and a keyMask' : ''}; expected [1, ${total}, ${this.dim}] and no mask.`,
    );
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

/** Texts of one length that follow one another: the first of them, how many, and where their rows start. */
function* runsOf(texts: readonly number[]) {
  let start = 0;
  for (let first = 0; first < texts.length; ) {
    const tokens = texts[first]!;
    let batch = 1;
    while (texts[first + batch] === tokens) batch++;
    yield { first, batch, start, tokens };
    start += batch * tokens;
    first += batch;
  }
}

const viewOf = (whole: DeviceTensor, start: number, end: number, shape: readonly number[]) =>
  whole.backend.rows!(whole, start, end, shape);

function isPositive(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 1;
}
