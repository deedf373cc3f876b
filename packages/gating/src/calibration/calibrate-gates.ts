// calibrateGates: the gates of a model learn which keys matter from the model's own dense attention.

import { type Backend, breather, FlashMLAError, randomSource, shuffled } from '@flashmla/tensor';
import { ContentGate } from '../content-gate.ts';
import { type Gate, isLearnable, type LearnableGate } from '../gate.ts';
import type { ContentGateState } from '../gate-space.ts';
import type { LayerDimensions, LayerSample } from '../measure-gate.ts';
import { recommendK } from '../recommend-k.ts';
import { Checkpoint, type CheckpointStore, type TrainedHead } from './checkpoint.ts';
import { type GateLearning, learningOf } from './gate-learning.ts';
import { type BudgetReport, budgetOf, checkBudget, type HeadCurve, measureCurves } from './head-curves.ts';
import { range } from './head-learner.ts';
import { isBetter, measureHeldOut } from './held-out.ts';
import { trainHead } from './train-head.ts';

/** A text, or a pair of texts. */
export type CalibrationText = string | readonly [string, string];

/** A layer whose attention has a gate. */
export interface GatedLayer extends LayerDimensions {
  readonly layer: number;
  readonly gate: Gate;
  /** Keys a query selects; undefined: by length. */
  readonly k?: number | undefined;
  /** Called when the gate has learned, for the model to know what it learned. */
  remember(): void;
}

/** What `calibrateGates` asks of a model; EncoderModel of @flashmla/model-swap is one. */
export interface CalibrationModel {
  readonly backend: Backend;
  gatedLayers(): readonly GatedLayer[];
  /** Runs each text with dense attention everywhere and hands over what layer `layer` reads of it. */
  sampleLayer(
    layer: number,
    texts: readonly CalibrationText[],
    options: { maxTokens: number; signal?: AbortSignal | undefined },
    use: (sample: LayerSample) => void,
  ): Promise<void>;
}

export interface CalibrateOptions {
  /** Most steps of a head; it ends earlier when held-out recall no longer rises. Default 400. */
  steps?: number;
  /** The largest, after the warm-up. Default 1e-3. */
  learningRate?: number;
  /** The same seed, texts and backend give the same gates. Default 0. */
  seed?: number;
  /** Tokens to use of each text, from its beginning; default 512. */
  tokensPerText?: number;
  /**
   * Spreads a budget over the heads of all layers when they have learned: each head of a ContentGate is given a share of
   * meanK keys, from an eighth to four times, so that outputs come as close to dense attention's as the sum allows. Default:
   * k keys in every head.
   */
  budget?: { readonly meanK: number };
  /** Keeps what is done, so that an interrupted calibration goes on where it was. */
  checkpoint?: CheckpointStore;
  signal?: AbortSignal;
  progress?: (progress: CalibrationProgress) => void;
}

export interface CalibrationProgress {
  /** Heads. */
  readonly done: number;
  readonly total: number;
}

export interface HeadCalibration {
  readonly layer: number;
  readonly head: number;
  /** Share of dense attention on the selected keys, on the held-out texts; of lists, where a content gate may select lists. */
  readonly recallBefore: number;
  readonly recallAfter: number;
  /** ‖sparse − dense‖ / ‖dense‖, the same. */
  readonly errorBefore: number;
  readonly errorAfter: number;
  /** Steps that were made. */
  readonly steps: number;
  /** Whether the head keeps what it learned; if not, it was no better and is as it was. */
  readonly kept: boolean;
}

export interface CalibrationReport {
  /** Layer by layer, head by head. */
  readonly layers: readonly HeadCalibration[];
  /** Texts that were learned from, and those that were held out. */
  readonly texts: number;
  readonly heldOut: number;
  /** Where a budget was to be spread. */
  readonly budget?: BudgetReport;
}

const weightDecay = 0.01;
/** Every fifth text of a random order is held out, the second first: two texts are enough. */
const heldOutEvery = 5;

/**
 * Gates learn by distillation, the trunk frozen: for each head, KL(dense attention ‖ softmax of the gate's scores) over
 * rows of the texts' attention, AdamW, warm-up and cosine. The rows are computed by the backend's kernels, some at a time:
 * nothing of queries × keys is kept but the 48 rows of a text that are looked at. A ContentGate that is not fitted is
 * fitted first (`fit`); what learning starts from is what it is compared with, and a head that comes out no better on
 * the held-out texts, in recall and in the error of the output, keeps it.
 *
 * Interrupted, by the signal or by an error, gates of finished layers have learned and the others are as they were.
 *
 * @param model with its attention swapped; every layer with a ContentGate, BlockGate or SlotGate takes part
 * @param texts like those the model will see, longer than k; at least two
 * @throws FlashMLAError 'invalid-argument' where there is nothing to learn or to learn from; the signal's reason
 */
export async function calibrateGates(
  model: CalibrationModel,
  texts: readonly CalibrationText[],
  options: CalibrateOptions = {},
): Promise<CalibrationReport> {
  const { steps = 400, learningRate = 1e-3, seed = 0, tokensPerText = 512, signal, progress } = options;
  const layers = model
    .gatedLayers()
    .flatMap((layer) => (isLearnable(layer.gate) ? [{ ...layer, gate: layer.gate }] : []));
  checkAll(layers.length, texts, { steps, learningRate, tokensPerText });
  const meanK = options.budget?.meanK;
  if (meanK !== undefined) {
    checkBudget(
      meanK,
      layers.map(({ gate }) => gate),
    );
  }
  const subject = {
    ...{ texts, steps, learningRate, seed, tokensPerText },
    layers: layers.map(({ layer, gate, k, heads, headDim }) => [layer, gate.name, k, heads, headDim]),
  };
  const checkpoint = await Checkpoint.open(options.checkpoint, subject);
  const breathe = breather(signal);
  // Files are often in an order; every fifth text of one may be of one kind.
  const mixed = shuffled(texts, randomSource(seed));
  const total = layers.reduce((sum, { heads }) => sum + heads, 0);
  const report: HeadCalibration[] = [];
  progress?.({ done: 0, total });
  const curves: { layer: number; head: number; curve: HeadCurve }[] = [];
  let counts = { texts: 0, heldOut: 0 };
  for (const gated of layers) {
    const { layer, gate, heads } = gated;
    const k = (tokens: number) => gated.k ?? recommendK(tokens);
    const limits = { maxTokens: tokensPerText, k, keepValues: meanK !== undefined, signal };
    const { training, heldOut } = await samplesOf(model, gated, mixed, limits);
    counts = { texts: training.length, heldOut: heldOut.length };
    const context = { backend: model.backend, heads, headDim: gated.headDim, k, seed, breathe };
    const startedFitted = gate.fitted || gate.name === 'content';
    const learning = await learningOf(gate, training, context);
    const before = await measureHeldOut(gate, heldOut, gated, k, model.backend);
    const trained: TrainedHead[] = [];
    for (const head of range(heads)) {
      const known = checkpoint.get(layer, head);
      const settings = { steps, learningRate, weightDecay, seed: seedOf(seed, layer, head), breathe };
      trained.push(
        known ?? (await checkpoint.add(layer, head, await learn(learning, head, training, heldOut, settings))),
      );
      progress?.({ done: report.length + head + 1, total });
    }
    const learned = trained.map(({ parameters }) => parameters);
    gate.load(learning.state(learned));
    const after = await measureHeldOut(gate, heldOut, gated, k, model.backend);
    // A gate that had no weights has nothing to go back to.
    const kept = range(heads).map((head) => !startedFitted || isBetter(before, after, head));
    gate.load(learning.state(learned.map((own, head) => (kept[head] ? own : learning.learner(head).start))));
    gated.remember();
    if (meanK !== undefined && gate instanceof ContentGate) {
      const measured = await measureCurves(gate, { training, heldOut }, gated, meanK, model.backend);
      for (const [head, curve] of measured.entries()) curves.push({ layer, head, curve });
    }
    for (const [head, { steps: made }] of trained.entries()) {
      const [was, is] = [before[0][head], kept[head] ? after[0][head] : before[0][head]];
      report.push({
        ...{ layer, head, recallBefore: was.recall, recallAfter: is.recall },
        ...{ errorBefore: was.error, errorAfter: is.error, steps: made, kept: kept[head] },
      });
    }
  }
  const budget = meanK !== undefined ? { budget: spread(meanK, curves, layers) } : {};
  return { layers: report, ...counts, ...budget };
}

/** Gives the heads what a budget allots to them, if that serves them. */
function spread(
  meanK: number,
  curves: Parameters<typeof budgetOf>[1],
  layers: readonly (GatedLayer & { gate: LearnableGate })[],
): BudgetReport {
  const { report, shares } = budgetOf(meanK, curves);
  if (!report.kept) return report;
  for (const { layer, gate, remember } of layers) {
    gate.load({ ...(gate.state() as ContentGateState), shares: shares.filter((_, i) => curves[i].layer === layer) });
    remember();
  }
  return report;
}

async function learn<Example>(
  learning: GateLearning<Example>,
  head: number,
  training: readonly LayerSample[],
  heldOut: readonly LayerSample[],
  settings: Parameters<typeof trainHead>[3],
): Promise<TrainedHead> {
  const examples = async (samples: readonly LayerSample[]) => {
    const made: Example[] = [];
    for (const sample of samples) {
      made.push(await learning.example(sample, head));
      await settings.breathe();
    }
    return made;
  };
  return trainHead(learning.learner(head), await examples(training), await examples(heldOut), settings);
}

interface SampleLimits {
  readonly maxTokens: number;
  readonly k: (tokens: number) => number;
  /** Of the texts that are learned from. */
  readonly keepValues: boolean;
  readonly signal: AbortSignal | undefined;
}

/** What the layer reads of the texts that are long enough for its gate to matter. */
async function samplesOf(
  model: CalibrationModel,
  { layer, gate }: GatedLayer & { gate: LearnableGate },
  texts: readonly CalibrationText[],
  { maxTokens, k, keepValues, signal }: SampleLimits,
): Promise<{ training: LayerSample[]; heldOut: LayerSample[] }> {
  const training: LayerSample[] = [];
  const heldOut: LayerSample[] = [];
  const none = new Float32Array(0);
  await model.sampleLayer(layer, texts, { maxTokens, signal }, (sample) => {
    if (sample.tokens <= k(sample.tokens)) return;
    const number = training.length + heldOut.length;
    if (number % heldOutEvery === 1) heldOut.push(sample);
    // The values, and the hidden states for most gates, only measurements read: most of the memory.
    else {
      const { value, hidden } = sample;
      training.push({ ...sample, value: keepValues ? value : none, hidden: gate.needsHidden ? hidden : none });
    }
  });
  if (training.length > 0 && heldOut.length > 0) return { training, heldOut };
  throw new FlashMLAError(
    'invalid-argument',
    `[gating] ${training.length + heldOut.length} of ${texts.length} texts have more tokens than the gate of layer ${layer} selects keys; at least two ` +
      'are needed, one to learn from and one to see whether it helped. Give longer texts, or a smaller k.',
  );
}

function checkAll(
  gates: number,
  texts: readonly CalibrationText[],
  numbers: { steps: number; learningRate: number; tokensPerText: number },
): void {
  if (gates === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      '[gating] there is no gate to calibrate; swap attention in with a content, block or slot gate first.',
    );
  }
  if (!Array.isArray(texts) || texts.length < 2) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] calibration was given ${Array.isArray(texts) ? `${texts.length} texts` : typeof texts}; expected a list of at least two.`,
    );
  }
  for (const [name, value] of Object.entries(numbers)) {
    if (Number.isFinite(value) && value > 0 && (name === 'learningRate' || Number.isSafeInteger(value))) continue;
    const expected = name === 'learningRate' ? 'a number > 0' : 'a whole number ≥ 1';
    throw new FlashMLAError('invalid-argument', `[gating] calibration: ${name} is ${value}; expected ${expected}.`);
  }
}

/** Each head draws its own rows and texts. */
const seedOf = (seed: number, layer: number, head: number) =>
  Math.imul(Math.imul(seed + 1, 1000003) + layer, 1009) + head;
