// flashmla calibrate: the gates of a model learn from its dense attention on texts, and are stored.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readTexts } from '@flashmla/evaluation';
import { type BudgetReport, calibrateGates, type HeadCalibration } from '@flashmla/gating';
import { saveGates, swapAttention } from '@flashmla/model-swap';
import { checkpointIn } from '../checkpoint-file.ts';
import { command } from '../command.ts';
import { badInput } from '../errors.ts';
import { makeFolder } from '../make-folder.ts';
import { withModel } from '../opening.ts';
import {
  backendOption,
  gateOption,
  kOption,
  modelOption,
  parseGate,
  parseWhole,
  required,
  threadsOption,
} from '../options.ts';
import { formatPercent, table } from '../output.ts';

/** In the folder that gates go to, while it is not finished. */
const checkpointName = 'calibration.unfinished.safetensors';
const defaultLimit = 64;

export const calibrate = command({
  name: 'calibrate',
  summary:
    "Lets a model's gates learn which keys matter, from its own dense attention on texts like those it will see.",
  usage: '--model DIR --data F --out DIR [--gate G] [--k K] [--budget mean-k=K] [--limit N] [--steps N] [--seed S]',
  details:
    `Writes gates.json and gates.safetensors into the folder; beside the model, loading it takes them. One text of five is\n` +
    'held out, and a head that is no better on those keeps what it had. recall: share of dense attention on the selected\n' +
    `keys. Interrupted, it goes on where it was when it is run again (${checkpointName}).`,
  options: {
    model: modelOption,
    data: { type: 'string', value: 'F', description: 'JSONL of { text } or { a, b? }; longer texts teach more' },
    out: { type: 'string', value: 'DIR', description: 'where the gates go; the folder of the model will do' },
    gate: { ...gateOption, description: 'which gate learns: content, block or slot; default: content' },
    k: kOption,
    budget: {
      type: 'string',
      value: 'mean-k=K',
      description: 'spreads K keys a query, in the mean, over the heads of all layers, to where they matter',
    },
    limit: { type: 'string', value: 'N', description: `rows to take from the start; default ${defaultLimit}` },
    steps: { type: 'string', value: 'N', description: 'most steps of a head; default 400' },
    seed: { type: 'string', value: 'S', description: 'the same seed gives the same gates; default 0' },
    backend: backendOption,
    threads: threadsOption,
  },

  async run(values, context) {
    const data = required('data', values.data, 'reviews.jsonl');
    const out = required('out', values.out, 'my-model');
    const gate = parseGate(values.gate);
    if (gate === 'static' || gate === 'oracle') {
      throw badInput(`--gate is '${gate}', which has nothing to learn; expected content, block or slot.`);
    }
    const meanK = parseBudget(values.budget);
    const k = parseWhole('k', values.k, 1);
    const steps = parseWhole('steps', values.steps, 1);
    const seed = parseWhole('seed', values.seed, 0);
    const texts = await readTexts(data, parseWhole('limit', values.limit, 2) ?? defaultLimit);
    await makeFolder(out);
    return withModel(values, context, async (model) => {
      const { signal, progress } = context;
      swapAttention(model, { gate, crossover: 0, ...(k !== undefined && { k }) });
      const start = performance.now();
      progress.start('calibrating the gates');
      const checkpoint = checkpointIn(join(out, checkpointName));
      const { layers, budget, ...counts } = await calibrateGates(model, texts, {
        ...{
          signal,
          checkpoint,
          progress: ({ done, total }) => progress.update(done / total, `${done} of ${total} heads`),
        },
        ...(steps !== undefined && { steps }),
        ...(seed !== undefined && { seed }),
        ...(meanK !== undefined && { budget: { meanK } }),
      });
      await saveGates(model, out);
      await rm(join(out, checkpointName), { force: true });
      progress.stop();
      const elapsedMs = performance.now() - start;
      return {
        json: {
          backend: model.backend.name,
          gate,
          k: k ?? null,
          ...counts,
          elapsedMs,
          layers,
          ...(budget && { budget }),
        },
        text: `${counts.texts} texts, ${counts.heldOut} held out, ${(elapsedMs / 1000).toFixed(0)} s; gates are in ${out}\n\n${table(columns, layers)}${budget ? `\n${budgetText(budget)}` : ''}`,
      };
    });
  },
});

function parseBudget(given: string | undefined): number | undefined {
  if (given === undefined) return undefined;
  const [, number] = /^mean-k=(.*)$/.exec(given) ?? [];
  if (number === undefined) throw badInput(`--budget is '${given}'; expected mean-k=K, for example mean-k=32.`);
  return parseWhole('budget mean-k', number, 1);
}

function budgetText({ meanK, uniform, spread, kept, heads }: BudgetReport): string {
  const line = (name: string, { recall, error }: BudgetReport['spread']) =>
    `${name}: recall ${formatPercent(recall, 2)}, error ${error.toFixed(4)}`;
  const keysOf = (layer: number) => heads.filter((head) => head.layer === layer).map(({ k }) => k);
  const layers = [...new Set(heads.map(({ layer }) => layer))];
  return [
    `${meanK} keys a query, mean over the heads, on the held-out texts:`,
    `  ${line('the same in every head', uniform)}`,
    `  ${line('spread', spread)}${kept ? '' : '; no better, so every head keeps the same'}`,
    'keys of the heads:',
    ...layers.map((layer) => `  layer ${layer}: ${keysOf(layer).join(', ')}`),
  ].join('\n');
}

const columns = [
  { title: 'layer', value: ({ layer }: HeadCalibration) => `${layer}` },
  { title: 'head', value: ({ head }: HeadCalibration) => `${head}` },
  { title: 'recall', value: ({ recallBefore }: HeadCalibration) => formatPercent(recallBefore, 2) },
  { title: 'learned', value: ({ recallAfter }: HeadCalibration) => formatPercent(recallAfter, 2) },
  { title: 'error', value: ({ errorBefore }: HeadCalibration) => errorBefore.toFixed(4) },
  { title: 'learned', value: ({ errorAfter }: HeadCalibration) => errorAfter.toFixed(4) },
  { title: 'steps', value: ({ steps }: HeadCalibration) => `${steps}` },
  { title: 'kept', value: ({ kept }: HeadCalibration) => (kept ? 'learned' : 'as it was') },
] as const;
