// One call of a gate: its sizes, its tensors on the backend, and the temporaries that must be gone when it ends, however
// it ends.

import {
  asUint8,
  type Backend,
  checkFloats,
  checkMask,
  DeviceTensor,
  describeValue,
  execute,
  FlashMLAError,
  type FloatDType,
  formatShape,
  type HostTensor,
  type Layout,
  type Problem,
  recoverFor,
  type Selection,
  type Tensor,
  type Tensors,
  tensor,
} from '@flashmla/tensor';
import type { Gate, GateInputs } from './gate.ts';
import { recommendK } from './recommend-k.ts';

/** Presence of keys and of queries, uint8 [batch, keys] and [batch, queries]. */
export interface Masks {
  readonly keyMask: DeviceTensor;
  readonly queryMask: DeviceTensor;
}

export interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly headDim: number;
  /** Of queries, keys and values. */
  readonly dtype: FloatDType;
}

/** What a gate computes with. Made by `withCall`. */
export class GateCall implements Sizes {
  readonly backend: Backend;
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly headDim: number;
  readonly dtype: FloatDType;
  readonly layout: Layout;
  /** Tokens a query may select, at least 1; may be more than there are keys. */
  readonly k: number;
  readonly causal: boolean;
  readonly scale: number;
  readonly signal: AbortSignal | undefined;
  /** As `layout` and `dtype` say. */
  readonly query: DeviceTensor;
  readonly key: DeviceTensor;
  readonly masks: Masks | undefined;
  readonly hidden: DeviceTensor | undefined;
  readonly #temporaries: Temporaries;

  constructor(
    inputs: GateInputs,
    sizes: Sizes,
    k: number,
    device: Pick<GateCall, 'query' | 'key' | 'masks' | 'hidden'>,
    temporaries: Temporaries,
  ) {
    this.backend = inputs.backend;
    this.batch = sizes.batch;
    this.heads = sizes.heads;
    this.queries = sizes.queries;
    this.keys = sizes.keys;
    this.headDim = sizes.headDim;
    this.dtype = sizes.dtype;
    this.layout = inputs.layout ?? 'heads-first';
    this.k = k;
    this.causal = inputs.causal ?? false;
    this.scale = inputs.scale ?? 1 / Math.sqrt(sizes.headDim);
    this.signal = inputs.signal;
    this.query = device.query;
    this.key = device.key;
    this.masks = device.masks;
    this.hidden = device.hidden;
    this.#temporaries = temporaries;
  }

  /** Runs one op. Its outputs live until they are released, or until the call ends without returning them. */
  async run(problem: Problem, inputs: Tensors): Promise<Record<string, DeviceTensor>> {
    this.signal?.throwIfAborted();
    const outputs = await execute(this.backend, problem, inputs, { signal: this.signal });
    for (const output of Object.values(outputs)) this.#temporaries.add(output);
    return outputs;
  }

  /** A tensor for this call, gone when it ends. */
  upload(source: HostTensor): DeviceTensor {
    return this.#temporaries.add(this.backend.upload(source));
  }

  /** Disposes temporaries whose last use is dispatched. */
  release(...tensors: DeviceTensor[]): void {
    for (const released of tensors) this.#temporaries.release(released);
  }
}

/**
 * Runs `body` with the inputs checked and on the backend. All temporaries are disposed at the end, but for the tensors of
 * the selection that `body` returns.
 */
export async function withCall(
  gate: Pick<Gate, 'name' | 'k'>,
  inputs: GateInputs,
  body: (call: GateCall) => Promise<Selection>,
): Promise<Selection> {
  inputs.signal?.throwIfAborted();
  const sizes = sizesOf(gate.name, inputs);
  const k = inputs.k ?? gate.k ?? recommendK(sizes.keys);
  checkK(gate.name, k);
  await recoverFor(inputs.backend, inputs.query, inputs.key);
  const temporaries = new Temporaries(inputs.backend);
  try {
    const masks = await masksOf(gate.name, inputs, sizes, temporaries);
    const device = {
      query: await temporaries.onDevice(inputs.query),
      key: await temporaries.onDevice(inputs.key),
      masks,
      hidden: inputs.hidden && (await temporaries.onDevice(inputs.hidden)),
    };
    const selection = await body(new GateCall(inputs, sizes, k, device, temporaries));
    temporaries.keep(selection.indices, selection.keyOrder, selection.queryOrder);
    return selection;
  } finally {
    temporaries.dispose();
  }
}

/** Raises unless `k` is a whole number ≥ 1. */
export function checkK(gate: string, k: number): void {
  if (!Number.isSafeInteger(k) || k < 1) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] ${gate}: k is ${k}; expected a whole number ≥ 1 (tokens a query attends to).`,
    );
  }
}

/** The masks on the backend; those that are not given are made up where another is. */
export async function masksOf(
  source: string,
  inputs: Pick<GateInputs, 'keyMask' | 'queryMask'>,
  sizes: Sizes,
  temporaries: Temporaries,
): Promise<Masks | undefined> {
  const { keyMask, queryMask } = inputs;
  if (!keyMask && !queryMask) return undefined;
  const { batch, queries, keys } = sizes;
  if (keyMask) checkMask(`[gating] ${source}:`, 'keyMask', keyMask, batch, keys);
  if (queryMask) checkMask(`[gating] ${source}:`, 'queryMask', queryMask, batch, queries);
  const allPresent = (tokens: number) => tensor(new Uint8Array(batch * tokens).fill(1), [batch, tokens]);
  const keysPresent = keyMask ? asUint8(keyMask) : allPresent(keys);
  const queriesPresent = queryMask ? asUint8(queryMask) : queries === keys ? keysPresent : allPresent(queries);
  const onDevice = await temporaries.onDevice(keysPresent);
  return {
    keyMask: onDevice,
    queryMask: queriesPresent === keysPresent ? onDevice : await temporaries.onDevice(queriesPresent),
  };
}

/** Tensors of one call: those it made, and those it must not leave behind. */
export class Temporaries {
  readonly #backend: Backend;
  readonly #live = new Set<Tensor>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** `given` itself where it is on the backend, else a copy for the time of the call. */
  async onDevice(given: Tensor): Promise<DeviceTensor> {
    if (given instanceof DeviceTensor && given.backend === this.#backend) return given;
    return this.add(this.#backend.upload(tensor(await given.data(), given.shape, given.dtype)));
  }

  add(added: DeviceTensor): DeviceTensor {
    this.#live.add(added);
    return added;
  }

  /** Disposes `released` if it is one of these; a tensor of the caller's is left alone. */
  release(released: Tensor): void {
    if (this.#live.delete(released)) released.dispose();
  }

  keep(...kept: (Tensor | undefined)[]): void {
    for (const one of kept) if (one) this.#live.delete(one);
  }

  dispose(): void {
    for (const one of this.#live) this.release(one);
  }
}

/** Raises unless query and key are floats of one precision, four-dimensional and agree, and layout and scale make sense. */
export function sizesOf(source: string, inputs: Pick<GateInputs, 'query' | 'key' | 'layout' | 'scale'>): Sizes {
  const { query, key, layout = 'heads-first', scale = 1 } = inputs;
  const fail = (problem: string) => {
    throw new FlashMLAError('invalid-argument', `[gating] ${source}: ${problem}`);
  };
  if (layout !== 'heads-first' && layout !== 'tokens-first') {
    fail(`layout is ${describeValue(layout)}; expected 'heads-first' or 'tokens-first'.`);
  }
  if (!Number.isFinite(scale)) fail(`scale is ${scale}; expected a finite number. Leave it out for 1/√headDim.`);
  const dtype = checkFloats(`[gating] ${source}:`, { query, key });
  const [tokens, head] = layout === 'heads-first' ? [2, 1] : [1, 2];
  const [batch, headDim, heads] = [query.shape[0], query.shape[3], query.shape[head]];
  const agree = [0, 3, head].every((axis) => query.shape[axis] === key.shape[axis]);
  if (query.shape.length !== 4 || key.shape.length !== 4 || !agree) {
    const expected = layout === 'heads-first' ? '[batch, heads, tokens, headDim]' : '[batch, tokens, heads, headDim]';
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] ${source}: query is ${formatShape(query.shape)}, key is ${formatShape(key.shape)}; expected ${expected} for ` +
        `both (layout '${layout}'), the same but for the tokens. Reshape them, or name the layout they have.`,
    );
  }
  return { batch, heads, headDim, dtype, queries: query.shape[tokens], keys: key.shape[tokens] };
}
