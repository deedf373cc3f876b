// What a training can be told, what it does where it is told nothing, and what makes no sense.

import type { CheckpointStore } from '@flashmla/gating';
import { describeValue, FlashMLAError, type FloatDType, floatDTypes } from '@flashmla/tensor';
import type { AdamWOptions } from './adam-w.ts';
import type { Example } from './example.ts';
import { learnableGate, type SparseTrainingOptions } from './sparse-training.ts';
import type { Measures } from './validation.ts';

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
  /** What loss and accuracy are measured on after each epoch; default: nothing. */
  validation?: readonly Example[];
  /** Told of each epoch when it is over. */
  epochEnded?: (report: EpochReport) => void;
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

export interface EpochReport {
  /** Mean over its steps. */
  readonly loss: number;
  /** On the examples for validation, where there are some: through dense attention, and where the epoch ended sparse, that. */
  readonly validation?: { readonly dense: Measures; readonly sparse?: Measures };
}

/** Options with what holds where nothing was given. */
export type TrainSettings = typeof defaults & TrainOptions & { optimizer: AdamWOptions };

const defaults = {
  ...{ epochs: 1, steps: Number.MAX_SAFE_INTEGER, batchTokens: 4096, accumulate: 1, learningRate: 1e-4, warmUp: 0.1 },
  ...{ maxNorm: 1, dropout: 0.1, activations: 'float32' as FloatDType, randomOffsets: 0, seed: 0 },
};
const optimizerDefaults: AdamWOptions = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** @throws FlashMLAError 'invalid-argument' as `checkTrainOptions` does */
export function settingsOf(options: TrainOptions): TrainSettings {
  checkTrainOptions(options);
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  return { ...defaults, ...given, optimizer: { ...optimizerDefaults, ...options.optimizer } };
}

type Check = readonly [expected: string, fits: (value: unknown) => boolean];

const isWhole = (least: number) => (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least;
const isWithin = (from: number, to: number) => (value: unknown) =>
  typeof value === 'number' && value >= from && value < to;

const whole: Check = ['a whole number ≥ 1', isWhole(1)];
const anyWhole: Check = ['a whole number', Number.isSafeInteger];
const positive: Check = ['a number > 0', (value) => Number.isFinite(value) && (value as number) > 0];
const share: Check = ['a number from 0 to below 1', isWithin(0, 1)];

const checks: Readonly<Record<string, Check>> = {
  ...{ epochs: whole, steps: whole, batchTokens: whole, accumulate: whole, seed: anyWhole },
  ...{ learningRate: positive, maxNorm: positive, warmUp: share, dropout: share, randomOffsets: share },
  activations: [`one of ${floatDTypes.join(', ')}`, (value) => floatDTypes.some((dtype) => dtype === value)],
  ...{ 'optimizer.beta1': share, 'optimizer.beta2': share, 'optimizer.epsilon': positive },
  'optimizer.weightDecay': ['a number ≥ 0', isWithin(0, Number.POSITIVE_INFINITY)],
  ...{ 'sparse.k': whole, 'sparse.after': share, 'sparse.learnEvery': whole, 'sparse.learningRate': positive },
  'checkpoint.everySteps': whole,
};

/** @throws FlashMLAError 'invalid-argument' for an option that makes no sense, naming it */
export function checkTrainOptions(options: TrainOptions): void {
  for (const [name, [expected, fits]] of Object.entries(checks)) {
    const value = name.split('.').reduce((part: unknown, key) => (part as Record<string, unknown>)?.[key], options);
    if (value === undefined || fits(value)) continue;
    throw new FlashMLAError('invalid-argument', `[train] ${name} is ${describeValue(value)}; expected ${expected}.`);
  }
  if (options.sparse) learnableGate(options.sparse.gate);
}
