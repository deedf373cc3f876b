// train: a model learns from examples, epoch after epoch.

import { learningRateAt } from '@flashmla/gating';
import type { Architecture } from '@flashmla/model-swap';
import { describeValue, FlashMLAError } from '@flashmla/tensor';
import { checkTrains } from './backend-check.ts';
import { openCheckpoint } from './checkpoint.ts';
import { epochBatches } from './epoch.ts';
import type { Example } from './example.ts';
import type { TrainableModel } from './model.ts';
import { SparseTraining, type TrainedGate } from './sparse-training.ts';
import { type EpochReport, settingsOf, type TrainOptions, type TrainSettings } from './train-options.ts';
import { Trainer } from './trainer.ts';
import { validate } from './validation.ts';

export interface TrainReport {
  /** Steps in all. */
  readonly steps: number;
  readonly epochs: readonly EpochReport[];
  /** The gates that learned along, by layer. */
  readonly gates: ReadonlyMap<number, TrainedGate>;
}

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
  checkTrains(model.backend);
  const settings = settingsOf(options);
  const { seed, signal, accumulate } = settings;
  const epochOf = typeof examples === 'function' ? examples : () => examples;
  const plan = planSteps(model, epochOf, settings);
  const { validation } = settings;
  if (validation) checkExamples(model, validation);
  using sparse = settings.sparse && new SparseTraining(model.backend, model.architecture, settings.sparse, seed);
  using trainer = new Trainer(model, { ...settings, sparse });
  const checkpoint = await openCheckpoint(trainer, sparse, epochOf(0), settings);
  const record = await checkpoint.load();
  try {
    let firstStep = 0;
    for (const [epoch, stepsOfEpoch] of plan.steps.entries()) {
      const begin = firstStep;
      firstStep += stepsOfEpoch;
      if (epoch < record.epochs.length) continue;
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
        record.loss += made.loss;
        const tokensPerSecond = made.tokens / ((performance.now() - started) / 1000);
        settings.progress?.({ step: trainer.step, steps: plan.total, epoch, learningRate, tokensPerSecond, ...made });
        await checkpoint.stepMade(record);
      }
      const report: EpochReport = {
        loss: record.loss / stepsOfEpoch,
        ...(validation && {
          validation: await validateBoth(trainer, validation, {
            ...{ batchTokens: settings.batchTokens, signal },
            isSparse: sparse?.isOn(trainer.step - 1, plan.total) ?? false,
          }),
        }),
      };
      record.epochs.push(report);
      record.loss = 0;
      settings.epochEnded?.(report);
    }
  } catch (error) {
    if (signal?.aborted) await checkpoint.save(record);
    throw error;
  }
  return { steps: trainer.step, epochs: record.epochs, gates: sparse?.state() ?? new Map() };
}

/** Through dense attention in any case, and where training is sparse through that as well. */
async function validateBoth(
  trainer: Trainer,
  examples: readonly Example[],
  { isSparse, ...options }: Parameters<typeof validate>[2],
): Promise<NonNullable<EpochReport['validation']>> {
  const dense = await validate(trainer, examples, { ...options, isSparse: false });
  if (!isSparse) return { dense };
  return { dense, sparse: await validate(trainer, examples, { ...options, isSparse }) };
}

const lengthsOf = (examples: readonly Example[]) => Int32Array.from(examples, ({ ids }) => ids.length);

interface StepPlan {
  /** Steps of each epoch. */
  readonly steps: readonly number[];
  readonly total: number;
}

function planSteps(
  model: TrainableModel,
  epochOf: (epoch: number) => readonly Example[],
  settings: TrainSettings,
): StepPlan {
  const steps: number[] = [];
  let total = 0;
  for (let epoch = 0; epoch < settings.epochs && total < settings.steps; epoch++) {
    const all = epochOf(epoch);
    checkExamples(model, all);
    const batches = epochBatches(lengthsOf(all), { ...settings, epoch });
    const own = Math.min(Math.ceil(batches.length / settings.accumulate), settings.steps - total);
    steps.push(own);
    total += own;
  }
  return { steps, total };
}

function checkExamples({ head, architecture }: TrainableModel, examples: readonly Example[]): void {
  if (!Array.isArray(examples) || examples.length === 0) {
    throw new FlashMLAError(
      'invalid-argument',
      `[train] there are ${Array.isArray(examples) ? 'no examples' : describeValue(examples)}; expected a list of at least one.`,
    );
  }
  for (const [number, example] of examples.entries()) {
    const fault = faultOf(example, architecture) ?? head.fault(example, architecture);
    if (fault) throw new FlashMLAError('invalid-argument', `[train] example ${number} ${fault}.`);
  }
}

function faultOf({ ids }: Example, { maxTokens, vocabulary }: Architecture): string | undefined {
  if (!(ids instanceof Int32Array) || ids.length === 0) return 'has no ids; expected an Int32Array of at least one';
  if (ids.length > maxTokens) return `has ${ids.length} tokens; the model takes ${maxTokens}: cut it, or leave it out`;
  const wrong = ids.find((id) => id < 0 || id >= vocabulary);
  return wrong === undefined ? undefined : `has the token id ${wrong}; the model has ${vocabulary} word embeddings`;
}
