// train: a model learns from examples, epoch after epoch.

import type { CheckpointStore } from '@flashmla/gating';
import { describeValue, FlashMLAError, type FloatDType } from '@flashmla/tensor';
import type { AdamWOptions } from './adam-w.ts';
import { type EpochSums, encodeCheckpoint, restoreCheckpoint } from './checkpoint.ts';
import { epochBatches } from './epoch.ts';
import type { Example } from './example.ts';
import { fingerprint } from './fingerprint.ts';
import type { TrainableModel } from './model.ts';
import { learningRateAt } from './schedule.ts';
import { SparseTraining, type SparseTrainingOptions, type TrainedGate } from './sparse-training.ts';
import { Trainer } from './trainer.ts';

export interface TrainOptions {
  /** Passes over the examples; default 1. */
  epochs?: number;
  /** Ends after so many steps, the learning rate reaching zero there; default: the epochs'. */
  steps?: number;
  /** Most tokens of a batch, padding included; default 4096. */
  batchTokens?: number;
  /** Batches whose gradients are summed before a step; default 1. */
  accumulate?: number;
  /** The largest, after the warm-up; default 1e-4. */
  learningRate?: number;
  /** Share of the steps in which the learning rate rises; default 0.1. */
  warmUp?: number;
  /** Default: beta1 0.9, beta2 0.999, epsilon 1e-8, weightDecay 0.01. */
  optimizer?: Partial<AdamWOptions>;
  /** Norm of the gradients above which they are scaled down; default 1. */
  maxNorm?: number;
  /** Share of the hidden states' elements that is dropped; default 0.1. */
  dropout?: number;
  /**
   * What activations are kept in between forward and backward pass; default float32. Half precision halves their memory;
   * parameters, sums and moments stay float32, and float16 has a dynamic loss scale.
   */
  activations?: FloatDType;
  /** Share of the batches whose texts begin at a random position; default 0. */
  randomOffsets?: number;
  /** Trains through sparse attention, gates learning along; default: dense attention. */
  sparse?: SparseTrainingOptions;
  /** The same seed, examples and options give the same weights on the same machine, bit for bit. Default 0. */
  seed?: number;
  /** Keeps what is done, so that an interrupted training goes on where it was. */
  checkpoint?: {
    readonly store: CheckpointStore;
    /** Steps from one to the next; default 500. One more is written when the signal aborts. */
    readonly everySteps?: number;
  };
  signal?: AbortSignal;
  progress?: (progress: TrainProgress) => void;
}

export interface TrainProgress {
  /** Steps that were made. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  /** Of the last step, mean over what had a target. */
  readonly loss: number;
  readonly learningRate: number;
  /** Of the gradients, before they were scaled down. */
  readonly gradientNorm: number;
  readonly tokensPerSecond: number;
  /** Whether gradients were no numbers, and nothing was changed. */
  readonly skipped: boolean;
}

export interface TrainReport {
  /** Steps in all. */
  readonly steps: number;
  /** Mean loss of each epoch that ended here. */
  readonly losses: readonly number[];
  /** The gates that learned along, by layer. */
  readonly gates: ReadonlyMap<number, TrainedGate>;
}

const defaults = {
  ...{ epochs: 1, steps: Number.MAX_SAFE_INTEGER, batchTokens: 4096, accumulate: 1, learningRate: 1e-4, warmUp: 0.1 },
  ...{ maxNorm: 1, dropout: 0.1, activations: 'float32' as FloatDType, randomOffsets: 0, seed: 0 },
};
const optimizerDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const stepsPerCheckpoint = 500;

/**
 * Trains `model`, whose parameters change in place.
 *
 * @param examples all, or what gives those of an epoch, the same ones whenever it is asked again
 * @throws FlashMLAError 'invalid-argument' for options and examples that make no sense, 'invalid-file' for a checkpoint of
 * another training, 'unsupported' where the backend has no gradients; the signal's reason, after a checkpoint was written
 */
export async function train(
  model: TrainableModel,
  examples: readonly Example[] | ((epoch: number) => readonly Example[]),
  options: TrainOptions = {},
): Promise<TrainReport> {
  const settings = { ...defaults, ...options, optimizer: { ...optimizerDefaults, ...options.optimizer } };
  check(settings);
  const { seed, signal, checkpoint, accumulate } = settings;
  const epochOf = typeof examples === 'function' ? examples : () => examples;
  const plan = planSteps(model, epochOf, settings);
  const { progress, signal: _, checkpoint: __, ...described } = settings;
  const mark = await fingerprint(model, plan.lengths, described);
  using sparse = options.sparse && new SparseTraining(model.backend, model.architecture, options.sparse, seed);
  using trainer = new Trainer(model, { ...settings, sparse });
  const saved = await checkpoint?.store.load();
  let sums: EpochSums = { loss: 0, steps: 0 };
  if (saved) sums = await restoreCheckpoint(saved, mark, trainer, sparse);
  const save = async () => checkpoint?.store.save(await encodeCheckpoint(mark, trainer, sums, sparse));
  const losses: number[] = [];
  try {
    let firstStep = 0;
    for (const [epoch, stepsOfEpoch] of plan.steps.entries()) {
      const begin = firstStep;
      firstStep += stepsOfEpoch;
      if (trainer.step >= firstStep) continue;
      const all = epochOf(epoch);
      const batches = epochBatches(lengthsOf(all), { ...settings, epoch });
      while (trainer.step < firstStep) {
        signal?.throwIfAborted();
        const from = (trainer.step - begin) * accumulate;
        const chosen = batches.slice(from, from + accumulate).map((batch) => batch.map((example) => all[example]!));
        const learningRate = learningRateAt(trainer.step, plan.total, settings.learningRate, settings.warmUp);
        const isSparse = sparse?.isOn(trainer.step, plan.total) ?? false;
        const started = performance.now();
        const made = await trainer.makeStep(chosen, { learningRate, isSparse, signal });
        sums.loss += made.loss;
        sums.steps++;
        const tokensPerSecond = made.tokens / ((performance.now() - started) / 1000);
        progress?.({ step: trainer.step, steps: plan.total, epoch, learningRate, tokensPerSecond, ...made });
        if (trainer.step % (checkpoint?.everySteps ?? stepsPerCheckpoint) === 0) await save();
      }
      losses.push(sums.loss / sums.steps);
      sums = { loss: 0, steps: 0 };
    }
  } catch (error) {
    if (signal?.aborted) await save();
    throw error;
  }
  return { steps: trainer.step, losses, gates: sparse?.state() ?? new Map() };
}

const lengthsOf = (examples: readonly Example[]) => Int32Array.from(examples, ({ ids }) => ids.length);

interface StepPlan {
  /** Steps of each epoch. */
  readonly steps: readonly number[];
  readonly total: number;
  /** Tokens of each example of the first epoch. */
  readonly lengths: Int32Array;
}

type Settings = typeof defaults & TrainOptions & { optimizer: AdamWOptions };

function planSteps(
  model: TrainableModel,
  epochOf: (epoch: number) => readonly Example[],
  settings: Required<Pick<TrainOptions, 'epochs' | 'steps' | 'batchTokens' | 'accumulate' | 'seed'>>,
): StepPlan {
  const steps: number[] = [];
  let total = 0;
  let lengths = new Int32Array();
  for (let epoch = 0; epoch < settings.epochs && total < settings.steps; epoch++) {
    const all = epochOf(epoch);
    checkExamples(model, all);
    if (epoch === 0) lengths = lengthsOf(all);
    const batches = epochBatches(lengthsOf(all), { ...settings, epoch });
    const own = Math.min(Math.ceil(batches.length / settings.accumulate), settings.steps - total);
    steps.push(own);
    total += own;
  }
  return { steps, total, lengths };
}

function checkExamples({ head, architecture }: TrainableModel, examples: readonly Example[]): void {
  if (!Array.isArray(examples) || examples.length === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      `[train] there are ${Array.isArray(examples) ? 'no examples' : describeValue(examples)}; expected a list of at least one.`,
    );
  }
  for (const [number, example] of examples.entries()) {
    const { ids } = example;
    const fail = (what: string) => {
      throw new FlashMLAError('invalid-argument', `[train] example ${number} ${what}`);
    };
    if (!(ids instanceof Int32Array) || ids.length === 0) fail('has no ids; expected an Int32Array of at least one.');
    if (ids.length > architecture.maxTokens) {
      fail(`has ${ids.length} tokens; the model takes ${architecture.maxTokens}. Cut it, or leave it out.`);
    }
    const wrong = ids.find((id: number) => id < 0 || id >= architecture.vocabulary);
    if (wrong !== undefined) {
      fail(`has the token id ${wrong}; the model has ${architecture.vocabulary} word embeddings.`);
    }
    head.check(example, architecture);
  }
}

function check(settings: Settings): void {
  const whole = ['epochs', 'steps', 'batchTokens', 'accumulate'] as const;
  const positive = ['learningRate', 'maxNorm'] as const;
  const shares = ['dropout', 'warmUp', 'randomOffsets'] as const;
  const given = (name: keyof Settings) => settings[name] as unknown as number;
  const fail = (name: string, expected: string) => {
    throw new FlashMLAError(
      'invalid-argument',
      `[train] ${name} is ${describeValue(given(name as keyof Settings))}; expected ${expected}.`,
    );
  };
  for (const name of whole) {
    if (!Number.isSafeInteger(given(name)) || given(name) < 1) fail(name, 'a whole number ≥ 1');
  }
  for (const name of positive) if (!(given(name) > 0)) fail(name, 'a number > 0');
  for (const name of shares) if (!(given(name) >= 0 && given(name) < 1)) fail(name, 'a number from 0 to below 1');
  if (!Number.isSafeInteger(settings.seed)) fail('seed', 'a whole number');
  const precisions: readonly FloatDType[] = ['float32', 'float16', 'bfloat16'];
  if (!precisions.includes(settings.activations)) fail('activations', precisions.join(', '));
}
