// The forward pass of an encoder on a tape: what model-swap's Encoder computes, kept so that it can be gone through in
// reverse. Dropout where BERT has it on hidden states: behind the embedding, behind attention's and the feed-forward
// network's output. Attention's probabilities, which nobody keeps, are not dropped.

import {
  type Architecture,
  batchInputs,
  type EncodedText,
  type EncoderParts,
  type LayerParts,
  type LinearParts,
} from '@flashmla/model-swap';
import { type DeviceTensor, type Selection, tensor } from '@flashmla/tensor';
import type { Parameter } from './parameter.ts';
import { feedForward } from './pass/feed-forward.ts';
import { attend, dropout, embed, linear, norm } from './pass/steps.ts';
import type { Tape } from './pass/tape.ts';
import type { Value } from './pass/value.ts';

/** What the attention of a layer reads. */
export interface LayerReads {
  readonly layer: number;
  readonly hidden: Value; // [batch, tokens, modelDim]
  readonly query: Value; // [batch, tokens, heads, headDim], as key and value
  readonly key: Value;
  readonly value: Value;
  readonly keyMask: DeviceTensor | undefined;
}

export interface ForwardOptions {
  /** Share of the hidden states' elements that is dropped; default 0. */
  readonly dropout?: number;
  /** Decides which; the same seed drops the same. Default 0. */
  readonly seed?: number;
  /** Position of the texts' first tokens; default 0. */
  readonly offset?: number;
  /** Which keys a layer attends to; undefined = all. The tape disposes the selection. */
  readonly select?: ((reads: LayerReads) => Promise<Selection | undefined>) | undefined;
}

/** The last hidden states [batch, tokens, modelDim] of texts padded to the longest. */
export async function encode(
  tape: Tape,
  architecture: Architecture,
  parts: EncoderParts<Parameter>,
  texts: readonly Pick<EncodedText, 'ids' | 'types'>[],
  { dropout: rate = 0, seed = 0, offset = 0, select }: ForwardOptions = {},
): Promise<Value> {
  const inputs = batchInputs(architecture, texts);
  const keyMask = inputs.keyMask && tape.upload(inputs.keyMask);
  let site = 0;
  const drop = (value: Value) => dropout(tape, value, rate, mixed(seed, site++));
  const { normEpsilon: epsilon, activation } = architecture;
  const positionIds = tensor(
    (inputs.positionIds.array as Int32Array).map((position) => position + offset),
    inputs.positionIds.shape,
  );
  const summed = await embed(tape, { ...inputs, positionIds }, parts.embedding);
  let hidden = await drop(await norm(tape, summed, parts.embedding.norm, epsilon));
  tape.discard(summed);
  for (const [index, layer] of parts.layers.entries()) {
    const reads = await project(tape, architecture, index, layer, hidden, keyMask);
    const selection = await select?.(reads);
    if (selection) tape.own(selection);
    const attended = await attend(tape, reads, selection);
    tape.discard(reads.query, reads.key, reads.value);
    const output = await drop(await linear(tape, attended, layer.output));
    tape.discard(attended);
    const between = await norm(tape, output, layer.attentionNorm, epsilon, hidden);
    tape.discard(output, hidden);
    const narrow = await drop(await feedForward(tape, between, { ...layer, activation }));
    hidden = await norm(tape, narrow, layer.outputNorm, epsilon, between);
    tape.discard(narrow, between);
  }
  return hidden;
}

async function project(
  tape: Tape,
  { heads, headDim }: Architecture,
  layer: number,
  { query, key, value }: LayerParts<Parameter>,
  hidden: Value,
  keyMask: DeviceTensor | undefined,
): Promise<LayerReads> {
  const shape = [...hidden.shape.slice(0, -1), heads, headDim];
  const projected = (parts: LinearParts<Parameter>) => linear(tape, hidden, parts, 'none', shape);
  return {
    ...{ layer, hidden, keyMask },
    query: await projected(query),
    key: await projected(key),
    value: await projected(value),
  };
}

/** A seed for each place of a pass, as far apart as 32 bits allow. */
const mixed = (seed: number, site: number) => Math.imul(seed ^ Math.imul(site + 1, 0x9e3779b1), 0x85ebca6b) | 0;
