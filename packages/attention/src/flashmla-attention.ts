// Attention over the keys that a gate picks, or over all keys where that is faster.

import {
  type ContentShape,
  createGate,
  type Gate,
  type GateName,
  measureSelection,
  recommendK,
} from '@flashmla/gating';
import { type DeviceTensor, describeValue, FlashMLAError, type Selection, type SelectionInit } from '@flashmla/tensor';
import { type Choice, chooseByCrossover, chooseByMeasurement } from './crossover.ts';
import { type AttentionModuleOptions, type AttentionStep, ProjectedAttention } from './projected-attention.ts';
import { runDense, runGated } from './run-attention.ts';
import {
  type AttentionStatistics,
  type CallStatistics,
  computeDensityOf,
  densityOf,
  noCalls,
  withCall,
} from './statistics.ts';

export interface FlashMLAAttentionOptions extends AttentionModuleOptions {
  /** Keys a query selects; default: the gate's own, else `recommendK` of the tokens. */
  k?: number;
  /** What picks the keys: the name of a gate, which the module then makes and owns, or a gate of the caller's. Default 'content'. */
  gate?: GateName | Gate;
  /** Of the selections of a content gate that the module makes; see ContentGate. Default 'auto': what is faster here. */
  shape?: ContentShape | 'auto';
  /** Tokens of a block, of a block gate that the module makes; see BlockGate. Default 16. */
  block?: number;
  /** Fewer tokens than this run dense; 0 = always sparse. Default: measured once per device and shape. */
  crossover?: number;
  /** Runs dense attention beside every sparse call and records recall and error: for evaluation. Default false. */
  measureRecall?: boolean;
  /** Keeps the selection of the last sparse call, for looking at. Default false. */
  keepSelection?: boolean;
}

/**
 * Multi-head self-attention that computes only the keys a gate picks for each query, at O(tokens · k).
 *
 * On its own it has random weights, or those in `projections`. Assigned to a layer of a loaded model (@flashmla/model-swap)
 * it takes over that layer's. Concurrent calls of `forward` do not disturb each other.
 */
export class FlashMLAAttention extends ProjectedAttention {
  /** Keys a query selects, where the options or the gate say so. */
  readonly k: number | undefined;
  readonly crossover: number | undefined;
  measureRecall: boolean;
  #keepSelection: boolean;
  /** The caller's gate, or the name of the module's own. */
  readonly #givenGate: Gate | GateName;
  readonly #shape: ContentShape | 'auto' | undefined;
  readonly #block: number | undefined;
  #ownGate: Gate | undefined;
  #statistics: AttentionStatistics = noCalls;
  #selection: Selection | undefined;

  constructor(options: FlashMLAAttentionOptions) {
    super('FlashMLAAttention', options);
    const { gate = 'content', crossover, measureRecall = false, keepSelection = false } = options;
    if (typeof gate !== 'string' && typeof gate?.select !== 'function') {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] gate is ${describeValue(gate)}; expected a gate's name or a gate, e.g. new ContentGate({ k: 32 }).`,
      );
    }
    if (crossover !== undefined && !(typeof crossover === 'number' && crossover >= 0)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] crossover is ${crossover}; expected a number of tokens ≥ 0. Leave it out to have it measured.`,
      );
    }
    if (options.shape !== undefined && gate !== 'content') {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] shape is '${options.shape}' beside a gate that is not 'content'; leave it out, or give the gate itself its options.`,
      );
    }
    if (options.block !== undefined && gate !== 'block') {
      throw new FlashMLAError(
        'invalid-argument',
        `[attention] block is ${options.block} beside a gate that is not 'block'; leave it out, or give the gate itself its options.`,
      );
    }
    this.#givenGate = gate;
    this.#shape = options.shape;
    this.#block = options.block;
    this.k = options.k ?? this.gate.k;
    if (this.k !== undefined && !(Number.isSafeInteger(this.k) && this.k >= 1)) {
      throw new FlashMLAError('invalid-argument', `[attention] k is ${this.k}; expected a whole number of keys ≥ 1.`);
    }
    this.crossover = crossover;
    this.measureRecall = measureRecall;
    this.#keepSelection = keepSelection;
  }

  /** What picks the keys. */
  get gate(): Gate {
    if (typeof this.#givenGate !== 'string') return this.#givenGate;
    this.#ownGate ??= this.#makeGate();
    return this.#ownGate;
  }

  /** What was chosen so far, and the last call in detail. A snapshot: it does not change. */
  get statistics(): AttentionStatistics {
    return this.#statistics;
  }

  get keepSelection(): boolean {
    return this.#keepSelection;
  }

  /** Turning it off disposes what was kept. */
  set keepSelection(keep: boolean) {
    this.#keepSelection = keep;
    if (!keep) this.#replaceSelection(undefined);
  }

  /**
   * With `keepSelection`: the selection of the last call, undefined when that ran dense. The module owns it and disposes
   * it when the next call runs; `lastSelection` reads it.
   */
  get selection(): Selection | undefined {
    return this.#selection;
  }

  /** `selection` as plain arrays, which `selection()` of @flashmla/tensor takes back. */
  async lastSelection(): Promise<SelectionInit | undefined> {
    const last = this.#selection;
    if (!last) return undefined;
    const { tileQueries, blockKeys, residualGroup } = last;
    // All reads begin before anything can dispose the tensors.
    const [indices, keyOrder, queryOrder] = (await Promise.all([
      last.indices.data(),
      last.keyOrder?.data(),
      last.queryOrder?.data(),
    ])) as [Int32Array, Int32Array | undefined, Int32Array | undefined];
    const shape = last.indices.shape as SelectionInit['shape'];
    return {
      tileQueries,
      blockKeys,
      residualGroup,
      indices,
      shape,
      ...(keyOrder && { keyOrder }),
      ...(queryOrder && { queryOrder }),
    };
  }

  /** Gives the layer back. A gate of the module's own starts anew with the next layer. */
  override detach(): void {
    super.detach();
    this.#replaceSelection(undefined);
    this.#ownGate?.dispose();
    this.#ownGate = undefined;
  }

  /** What is measured and kept is of all tokens. */
  protected override get needsAllQueries(): boolean {
    return this.measureRecall || this.#keepSelection;
  }

  protected override async attend(step: AttentionStep): Promise<DeviceTensor> {
    const tokens = step.dimensions.keys;
    const k = this.k ?? recommendK(tokens);
    const { chosen, why } = await this.#choose(step, k);
    step.signal?.throwIfAborted();
    return chosen === 'dense' ? this.#attendDense(step, k, why) : this.#attendSparse(step, k, why);
  }

  async #attendDense(step: AttentionStep, k: number, why: string): Promise<DeviceTensor> {
    const { scope, hidden, query, key, value } = step;
    const { output, lse, plan } = await runDense(step);
    scope.release(hidden, query, key, value, lse);
    const { keys: tokens, queries } = step.dimensions;
    const computeDensity = computeDensityOf(plan);
    this.#statistics = withCall(this.#statistics, {
      ...{ tokens, queries, chosen: 'dense', why, k, density: 1, computeDensity },
    });
    this.#replaceSelection(undefined);
    return output;
  }

  async #attendSparse(step: AttentionStep, k: number, why: string): Promise<DeviceTensor> {
    const { scope, hidden, query, key, value } = step;
    const run = await runGated(step, this.gate, k);
    const quality = this.measureRecall ? await this.#measure(step, run.selection) : {};
    scope.release(hidden, query, key, value, run.lse);
    const { keys: tokens, queries } = step.dimensions;
    const density = densityOf(run.selection, tokens);
    const computeDensity = computeDensityOf(run.plan);
    this.#statistics = withCall(this.#statistics, {
      tokens,
      queries,
      chosen: 'sparse',
      why,
      k,
      density,
      computeDensity,
      ...quality,
    });
    if (this.#keepSelection) this.#replaceSelection(scope.keep(run.selection));
    else scope.release(run.selection);
    return run.output;
  }

  async #choose({ backend, dimensions }: AttentionStep, k: number): Promise<Choice> {
    const { queries, keys: tokens, heads, headDim, dtype = 'float32' } = dimensions;
    if (queries < tokens)
      return { chosen: 'dense', why: 'one token of each text asks, which costs less than any gate' };
    if (k >= tokens) return { chosen: 'dense', why: `k = ${k} covers all ${tokens} tokens` };
    if (this.crossover !== undefined) return chooseByCrossover(tokens, this.crossover);
    const { gate } = this;
    const variant = this.#shape ?? this.#block;
    const gateKind = variant === undefined ? gate.name : `${gate.name}/${variant}`;
    const contest = { backend, heads, headDim, dtype, k, gate, gateKind, standIn: () => this.#makeGate() };
    return chooseByMeasurement(contest, tokens);
  }

  /** A gate like the module's, unfitted. */
  #makeGate(): Gate {
    const name = typeof this.#givenGate === 'string' ? this.#givenGate : this.#givenGate.name;
    if (name === 'content') return createGate(name, { shape: this.#shape });
    return name === 'block' ? createGate(name, { block: this.#block }) : createGate(name);
  }

  async #measure(step: AttentionStep, selection: Selection): Promise<Pick<CallStatistics, 'recall' | 'error'>> {
    const { backend, query, key, value, keyMask, dimensions, signal } = step;
    const { layout, scale } = dimensions;
    const inputs = { backend, query, key, value, keyMask, layout, scale, signal, selection };
    const { recall, error } = await measureSelection(inputs);
    return { recall, error };
  }

  #replaceSelection(next: Selection | undefined): void {
    this.#selection?.dispose();
    this.#selection = next;
  }
}
