// One layer of an encoder, post-norm as BERT has it:
// x ← norm(x + attention(x)), x ← norm(x + contract(activation(intermediate(x)))).
// Its attention is a module that can be exchanged; the dense one it came with is kept.

import { type AttentionModule, DenseAttention, FlashMLAAttention } from '@flashmla/attention';
import { type GateState, isLearnable } from '@flashmla/gating';
import { type Backend, type DeviceTensor, FlashMLAError, formatShape } from '@flashmla/tensor';
import type { Architecture, LayerParts } from './architecture.ts';
import { feedForward } from './feed-forward.ts';
import { gatherRows, linear, norm } from './steps.ts';
import type { Workspace } from './workspace.ts';

export interface LayerInput {
  readonly hidden: DeviceTensor; // [batch, tokens, modelDim], or packed [1, Σ tokens, modelDim]; released by the layer
  /** uint8 [batch, tokens], 1 = present; absent when all are. */
  readonly keyMask: DeviceTensor | undefined;
  /** int32 [batch]: the rows of `hidden` that what follows needs; absent = all. */
  readonly rows?: DeviceTensor | undefined;
  /** Tokens of each text, where they are packed. */
  readonly texts?: readonly number[] | undefined;
}

/** What the layers of an encoder have in common. */
export interface LayerContext {
  readonly backend: Backend;
  readonly architecture: Pick<Architecture, 'modelDim' | 'heads' | 'normEpsilon' | 'activation'>;
  /** Fitted gates by layer, for attention that comes with an unfitted one of that kind. */
  readonly gates: ReadonlyMap<number, GateState>;
}

const describe = ({ dtype, shape }: DeviceTensor) => `${dtype} ${formatShape(shape)}`;

/** Which layer a module serves: two would dispose it twice, and one of them while the other still needs it. */
const serves = new WeakMap<AttentionModule, EncoderLayer>();

export class EncoderLayer {
  readonly index: number;
  /** The attention the model was loaded with. */
  readonly dense: AttentionModule;
  readonly #context: LayerContext;
  readonly #parts: LayerParts<DeviceTensor>;
  #attention: AttentionModule;
  #disposed = false;

  constructor(index: number, context: LayerContext, parts: LayerParts<DeviceTensor>) {
    this.index = index;
    this.#context = context;
    this.#parts = parts;
    const { backend, architecture } = context;
    this.dense = new DenseAttention({
      backend,
      dim: architecture.modelDim,
      heads: architecture.heads,
      projections: parts,
    });
    this.#attention = this.dense;
    serves.set(this.dense, this);
  }

  get attention(): AttentionModule {
    return this.#attention;
  }

  /**
   * Exchanges the layer's attention. A FlashMLAAttention takes over this layer's projections, and its gate, if it is not
   * fitted, what the model knows of this layer's gate; any other module brings its own. The layer owns what it is given
   * and disposes it when it is replaced and with the model.
   */
  set attention(module: AttentionModule) {
    if (module === this.#attention) return;
    this.#check(module);
    if (module instanceof FlashMLAAttention) {
      const { backend, architecture, gates } = this.#context;
      const { gate } = module;
      const state = gates.get(this.index);
      if (isLearnable(gate) && !gate.fitted && state?.gate === gate.name) gate.load(state);
      module.attach({ backend, projections: this.#parts, heads: architecture.heads });
    }
    const replaced = this.#attention;
    this.#attention = module;
    serves.set(module, this);
    if (replaced === this.dense) return;
    serves.delete(replaced);
    replaced.dispose();
  }

  /** The layer's queries, keys or values, [batch, tokens, modelDim]: the heads of a token one after the other. */
  project(work: Workspace, hidden: DeviceTensor, which: 'query' | 'key' | 'value'): Promise<DeviceTensor> {
    return linear(work, hidden, this.#parts[which]);
  }

  /** The layer's output, [batch, tokens, modelDim], or [batch, modelDim] where only `rows` are needed. */
  async forward(
    work: Workspace,
    { hidden, keyMask, rows, texts }: LayerInput,
    attention: AttentionModule = this.#attention,
  ): Promise<DeviceTensor> {
    const { signal } = work;
    const parts = this.#parts;
    const query = rows && (await gatherRows(work, hidden, rows));
    let attended = await work.adopt(
      await attention.forward(hidden, {
        ...(keyMask && { keyMask }),
        ...(query && { query }),
        ...(texts && { texts }),
        ...(signal && { signal }),
      }),
    );
    const input = query ?? hidden;
    if (rows && describe(attended) === describe(hidden)) {
      const whole = attended;
      attended = await gatherRows(work, whole, rows);
      work.release(whole);
    }
    if (describe(attended) !== describe(input)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the attention of layer ${this.index} gave ${describe(attended)} for an input of ` +
          `${describe(hidden)}; a module's forward must keep the shape and the dtype.`,
      );
    }
    if (query) work.release(hidden);
    const epsilon = this.#context.architecture.normEpsilon;
    const between = await norm(work, attended, parts.attentionNorm, epsilon, input);
    work.release(input, attended);
    const narrow = await feedForward(work, between, parts, this.#context.architecture.activation);
    const output = await norm(work, narrow, parts.outputNorm, epsilon, between);
    work.release(narrow, between);
    return output;
  }

  dispose(): void {
    this.#disposed = true;
    this.#attention.dispose();
    this.dense.dispose();
  }

  #check(module: AttentionModule): void {
    if (this.#disposed) {
      throw new FlashMLAError('disposed', '[model-swap] the model of this layer was disposed; load it again.');
    }
    if (typeof module?.forward !== 'function' || typeof module.dispose !== 'function') {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the attention given to layer ${this.index} is no attention module; expected { dim, heads, forward, dispose }, ` +
          'e.g. new FlashMLAAttention({ dim, heads, k }).',
      );
    }
    const server = serves.get(module);
    if (server && server !== this) {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the attention given to layer ${this.index} already serves ${server.#context === this.#context ? `layer ${server.index}` : 'another model'}; ` +
          'make one module for each layer.',
      );
    }
    const { modelDim, heads } = this.#context.architecture;
    if (module.dim !== modelDim || module.heads !== heads) {
      throw new FlashMLAError(
        'invalid-argument',
        `[model-swap] the attention given to layer ${this.index} has dim ${module.dim} and ${module.heads} heads; ` +
          `this model has dim ${modelDim} and ${heads} heads.`,
      );
    }
  }
}
