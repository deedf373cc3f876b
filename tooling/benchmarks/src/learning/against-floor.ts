// Content gates before and after they learned, against their own floor: the true best keys or blocks, with the same residual
// groups in the same content order.

import { ContentGate, type ContentShape, calibrateGates, type LayerSample, measureSelection } from '@flashmla/gating';
import type { EncoderModel } from '@flashmla/model-swap';
import { type Backend, tensor } from '@flashmla/tensor';
import { trueBlocks, trueLists } from '../gate-error/floors.ts';
import type { Selector } from '../gate-error/selector.ts';
import { mean } from '../statistics.ts';
import { withGates } from './subjects.ts';

/** Errors of a layer: ‖sparse − dense‖ ÷ ‖dense‖, mean over heads and texts. */
export interface FloorRow {
  readonly shape: ContentShape;
  readonly k: number;
  readonly layer: number;
  readonly floor: number;
  /** Without training. */
  readonly fitted: number;
  readonly calibrated: number;
}

/** Aims: error over floor. */
export const floorBars = { lists: 1.1, blocks: 1.3 };
/** Four blocks of 16; of lists as many as for texts of this length. */
const keys = { lists: 32, blocks: 64 };
const maxTokens = 1024;

export async function againstFloor(
  model: EncoderModel,
  shape: ContentShape,
  texts: { readonly learned: readonly string[]; readonly measured: readonly string[] },
  { steps, rank }: { readonly steps: number; readonly rank: number | undefined },
): Promise<FloorRow[]> {
  const { learned, measured } = texts;
  const k = keys[shape];
  const { heads, headDim } = model.architecture;
  const gates = model.encoder.layer.map(() => new ContentGate({ k, shape, rank }));
  const fitted: ContentGate[] = [];
  for (const [layer, gate] of gates.entries()) {
    const samples: LayerSample[] = [];
    await model.sampleLayer(layer, learned, { maxTokens: 512 }, (sample) => samples.push(sample));
    await gate.fit(samples, { heads, headDim });
    fitted.push(copyOf(gate));
  }
  let next = 0;
  await calibrateGates(withGates(model, { gate: () => gates[next++], k, sharpness: 1 }), learned, { steps });

  const rows: FloorRow[] = [];
  for (const [layer, gate] of gates.entries()) {
    const samples: LayerSample[] = [];
    await model.sampleLayer(layer, measured, { maxTokens }, (sample) => samples.push(sample));
    const error = (selector: Selector) => errorOf(model.backend, selector, samples, heads, headDim);
    using floor = (shape === 'lists' ? trueLists : trueBlocks)(copyOf(fitted[layer]));
    rows.push({
      ...{ shape, k, layer, floor: await error(floor) },
      ...{ fitted: await error(fitted[layer]), calibrated: await error(gate) },
    });
    gate.dispose();
    fitted[layer].dispose();
  }
  return rows;
}

function copyOf(gate: ContentGate): ContentGate {
  const copy = new ContentGate({ k: gate.k, shape: gate.shape });
  copy.load(gate.state());
  return copy;
}

async function errorOf(
  backend: Backend,
  selector: Selector,
  samples: readonly LayerSample[],
  heads: number,
  headDim: number,
): Promise<number> {
  const errors: number[] = [];
  for (const { tokens, query, key, value } of samples) {
    const uploaded = [query, key, value].map((part) => backend.upload(tensor(part, [1, tokens, heads, headDim])));
    const inputs = { backend, query: uploaded[0], key: uploaded[1], layout: 'tokens-first' } as const;
    const scale = 1 / Math.sqrt(headDim);
    using selection = await selector.select({ ...inputs, scale });
    errors.push((await measureSelection({ ...inputs, value: uploaded[2], selection, scale })).error);
    for (const one of uploaded) one.dispose();
  }
  return mean(errors);
}
