// The training itself, from the files that a config names to a report; progress is told meanwhile.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { architectureOf } from '@flashmla/model-swap';
import type { Backend } from '@flashmla/tensor';
import { type EpochReport, type Measures, TrainableModel, type TrainProgress, train } from '@flashmla/train';
import type { Machine } from '@flashmla/workloads';
import { checkpointIn } from '../checkpoint-file.ts';
import type { Context } from '../command.ts';
import { makeFolder } from '../make-folder.ts';
import { formatPercent } from '../output.ts';
import type { TrainConfig } from './config.ts';
import { readExamples } from './examples.ts';
import { headOf } from './heads.ts';
import { readStart } from './start.ts';
import { writeModel } from './write-model.ts';

/** In the folder that the model goes to, while it is not finished. */
export const checkpointName = 'training.unfinished.safetensors';

export interface TrainingReport {
  readonly head: string;
  readonly out: string;
  /** Of an epoch. */
  readonly examples: number;
  /** Of those, texts that were longer than they may be, and were cut. */
  readonly truncated: number;
  /** What was wrong with rows that were left out. */
  readonly skipped: readonly string[];
  /** Tensors that the folder to start from did not have, in this shape; null for a new model. */
  readonly fresh: readonly string[] | null;
  readonly steps: number;
  /** The step that an interrupted training went on from; else 0. */
  readonly resumedAt: number;
  /** Of the steps and validations that were made since then. */
  readonly elapsedMs: number;
  readonly epochs: readonly EpochReport[];
  /** Layers whose gates learned along. */
  readonly gates: readonly number[];
}

/** Trains on `backend` and writes the model. */
export async function runTraining(
  backend: Backend,
  config: TrainConfig,
  { skipBadRows, machine, ...context }: Context & { skipBadRows: boolean; machine: Machine },
): Promise<TrainingReport> {
  const { progress, signal } = context;
  const { config: modelConfig, tokenizer, tokenizerFiles, from } = await readStart(config);
  const head = headOf(config.head, tokenizer);
  const encoding = { head, architecture: architectureOf(modelConfig), tokenizer };
  const reading = { ...context, skipBadRows };
  const data = await readExamples(config.data, encoding, reading);
  const kept = config.validation && (await readExamples(config.validation, encoding, { ...reading, kept: true }));
  // Before the long part, and not before all rows are known to do.
  await makeFolder(config.out, 'out');
  const checkpoint = join(config.out, checkpointName);
  const { seed } = config.training;
  using model = await TrainableModel.open({ backend, head, config: modelConfig, from, seed, signal });
  let resumedAt: number | undefined;
  let validated = '';
  progress.start('training');
  const started = performance.now();
  const trained = await train(model, data.ofEpoch, {
    ...config.training,
    signal,
    checkpoint: {
      store: checkpointIn(checkpoint),
      ...(config.checkpointEverySteps !== undefined && { everySteps: config.checkpointEverySteps }),
    },
    ...(kept && { validation: kept.ofEpoch(0) }),
    progress(step) {
      resumedAt ??= step.step - 1;
      progress.update((step.step - resumedAt) / (step.steps - resumedAt), `${stateOf(step)}${validated}`);
    },
    epochEnded({ validation }) {
      if (validation) validated = ` · validation ${formatMeasures(validation.sparse ?? validation.dense)}`;
    },
  });
  const report: TrainingReport = {
    ...{ head: head.name, out: config.out, examples: data.count, truncated: data.truncated },
    skipped: [...data.skipped, ...(kept?.skipped ?? [])],
    fresh: from === undefined ? null : model.fresh,
    ...{ steps: trained.steps, resumedAt: resumedAt ?? trained.steps, elapsedMs: performance.now() - started },
    ...{ epochs: trained.epochs, gates: [...trained.gates.keys()] },
  };
  progress.start('writing the model');
  // Where the folder was when it was written says nothing about the model.
  const { out: _, ...lasting } = report;
  await writeModel(config.out, {
    ...{ model, tokenizerFiles, gates: trained.gates, dtype: config.dtype },
    description: { date: new Date().toISOString(), config: config.given, report: lasting, machine },
  });
  await rm(checkpoint, { force: true });
  progress.stop();
  return report;
}

const stateOf = ({ step, steps, loss, tokensPerSecond }: TrainProgress) =>
  `step ${step} of ${steps} · loss ${loss.toFixed(3)} · ${tokensPerSecond.toFixed(0)} tokens/s`;

const formatMeasures = ({ loss, accuracy }: Measures) =>
  `${loss.toFixed(3)}${accuracy === undefined ? '' : `, ${formatPercent(accuracy)}`}`;
