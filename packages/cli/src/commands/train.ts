// flashmla train: a model is trained from scratch, or fine-tuned from a Hugging Face folder, and goes into one.

import { availableParallelism } from 'node:os';
import { checkTrains, type EpochReport, type Measures, trainingProblems } from '@flashmla/train';
import { describeMachine } from '../bench/machine.ts';
import { command } from '../command.ts';
import { withBackend } from '../opening.ts';
import { backendOption, parseWhole, required, threadsOption } from '../options.ts';
import { type Column, formatPercent, none, table } from '../output.ts';
import { readTrainConfig } from '../train/config.ts';
import { checkpointName, runTraining, type TrainingReport } from '../train/run-training.ts';

export const train = command({
  name: 'train',
  summary: 'Trains a model from scratch, or fine-tunes one, through dense or sparse attention.',
  usage: '--config F [--skip-bad-rows] [--backend NAME] [--threads T]',
  details:
    'The config is JSON: head, from (or model and tokenizer), labels, data, validation, training, dtype, out; the README has\n' +
    'all fields. Paths in it are relative to it. The folder `out` gets config.json, model.safetensors, the tokenizer,\n' +
    'training.json and, where gates learned along, these: all at the end, or none. Interrupted (Ctrl-C), it leaves a\n' +
    `checkpoint there (${checkpointName}), and goes on from that when it is run again.`,
  options: {
    config: { type: 'string', value: 'F', description: 'what is trained, on what, and how' },
    'skip-bad-rows': {
      type: 'boolean',
      description: 'leaves out and counts rows that do not do; default: the first of them ends the command',
    },
    backend: { ...backendOption, description: `${backendOption.description}; one that can train` },
    threads: threadsOption,
  },

  async run(values, context) {
    const config = await readTrainConfig(required('config', values.config, 'train.json'));
    const skipBadRows = values['skip-bad-rows'] ?? false;
    const train = async (backend: Parameters<typeof runTraining>[0]) => {
      checkTrains(backend);
      const threads = parseWhole('threads', values.threads, 1) ?? backend.device.threads ?? availableParallelism();
      const machine = await describeMachine(backend, threads, {});
      const report = await runTraining(backend, config, { ...context, skipBadRows, machine });
      return { json: { backend: backend.name, ...report }, text: textOf(report, backend.name) };
    };
    return withBackend(values, context, train, trainingProblems);
  },
});

function textOf(report: TrainingReport, backend: string): string {
  const { steps, resumedAt, elapsedMs, examples, truncated, skipped, fresh, epochs, out, gates } = report;
  const seconds = (elapsedMs / 1000).toFixed(0);
  return [
    `${steps} steps on ${backend}, ${resumedAt > 0 ? `the first ${resumedAt} of them before, the others` : 'all'} in ${seconds} s; the model is in ${out}`,
    `${examples} examples an epoch${truncated > 0 ? `, ${truncated} of them cut` : ''}`,
    ...(skipped.length > 0 ? [`${skipped.length} rows left out, the first: ${skipped[0]}`] : []),
    ...(fresh && fresh.length > 0 ? [`new, not from the folder: ${fresh.join(', ')}`] : []),
    ...(gates.length > 0 ? [`gates learned along in ${gates.length} layers`] : []),
    '',
    table(columnsOf(epochs), [...epochs.entries()]),
  ].join('\n');
}

type EpochRow = readonly [epoch: number, report: EpochReport];

function columnsOf(epochs: readonly EpochReport[]): readonly Column<EpochRow>[] {
  const measured = (title: string, of: (report: EpochReport) => Measures | undefined): readonly Column<EpochRow>[] => [
    { title: `${title}: loss`, value: ([, report]) => of(report)?.loss.toFixed(4) ?? none },
    {
      title: 'accuracy',
      value([, report]) {
        const accuracy = of(report)?.accuracy;
        return accuracy === undefined ? none : formatPercent(accuracy, 2);
      },
    },
  ];
  const isValidated = epochs.some(({ validation }) => validation);
  const isSparse = epochs.some(({ validation }) => validation?.sparse);
  return [
    { title: 'epoch', value: ([epoch]) => `${epoch + 1}` },
    { title: 'loss', value: ([, { loss }]) => loss.toFixed(4) },
    ...(isValidated ? measured('dense', ({ validation }) => validation?.dense) : []),
    ...(isSparse ? measured('sparse', ({ validation }) => validation?.sparse) : []),
  ];
}
