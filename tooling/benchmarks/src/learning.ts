// bench:learning: where a gate that learns is better than one that does not. First recall and output error on held-out texts,
// before and after calibration, for kinds of gates, few keys, few dimensions and sharper heads; then content gates, before and
// after, against the true best keys or blocks with the same residual. Neither load nor speed of the machine matters to it.

import { readFileSync } from 'node:fs';
import { type CalibrationReport, calibrateGates } from '@flashmla/gating';
import { provider } from '@flashmla/kernels-cpu';
import { loadModel } from '@flashmla/model-swap';
import { badInput, main, progress, whole } from './command.ts';
import { againstFloor, type FloorRow, floorBars } from './learning/against-floor.ts';
import { type Subject, subjects, withGates } from './learning/subjects.ts';
import { describeMachine, machineLine } from './machine.ts';
import { dataFile, modelFolder } from './shared-data.ts';
import { mean } from './statistics.ts';
import { table, verdict } from './table.ts';

/** Texts of fewer characters have too few tokens to choose from. */
const fewestCharacters = 2500;

void main({
  name: 'learning',
  summary: 'recall and output error of gates before and after they learned, on texts they did not learn from.',
  options: {
    model: 'a BERT model folder; default: shared/models/sentiment-4l-256 beside the checkout, else the shipped model',
    data: 'a JSONL file of { text } or { a } rows; default: shared/data/imdb/test2000.jsonl beside the checkout',
    texts: `texts of at least ${fewestCharacters} characters to learn from and hold out; default 24`,
    steps: 'most steps of a head; default 400',
    rank: 'dimensions of the gates that are compared with the floor; default: chosen for each head',
  },

  async run(values) {
    const folder = modelFolder(values.model);
    const data = dataFile(values.data, 'imdb/test2000.jsonl');
    const count = whole('texts', values.texts, 24);
    const steps = whole('steps', values.steps, 400);
    const rank = values.rank === undefined ? undefined : whole('rank', values.rank, 8);
    const texts = readTexts(data, 2 * count);
    const [learned, measured] = [texts.slice(0, count), texts.slice(count)];
    const backend = await provider.open();
    const model = await loadModel(folder, { backend });
    const results: { subject: Subject; report: CalibrationReport }[] = [];
    for (const subject of subjects) {
      progress(`${subject.name}, K ${subject.k}, logits × ${subject.sharpness}`);
      results.push({ subject, report: await calibrateGates(withGates(model, subject), learned, { steps }) });
    }
    const floors: FloorRow[] = [];
    for (const shape of ['lists', 'blocks'] as const) {
      progress(`${shape} against the floor`);
      floors.push(...(await againstFloor(model, shape, { learned, measured }, { steps, rank })));
    }
    progress('');
    const machine = describeMachine(backend);
    await model.dispose();
    await backend.dispose();
    return {
      json: {
        ...{ benchmark: 'learning', machine, texts: count, steps, rank: rank ?? null },
        results: results.map(({ subject: { name, k, sharpness }, report }) => ({ name, k, sharpness, ...report })),
        floors,
      },
      text: [
        machineLine(machine),
        `${count} texts, a fifth held out, on which all figures are; mean over layers and heads`,
        '',
        learningTable(results),
        '',
        `against the true best keys or blocks, with the same residual; fitted and calibrated on the texts above, measured on ${measured.length} others`,
        '',
        floorTable(floors),
        '',
      ].join('\n'),
    };
  },
});

function readTexts(file: string, count: number): string[] {
  const texts: string[] = [];
  for (const row of readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const { a, text = a } = JSON.parse(row) as { a?: string; text?: string };
    if (text === undefined) throw badInput(`${file}: a row has neither 'a' nor 'text'; give rows of { text }.`);
    if (text.length >= fewestCharacters) texts.push(text);
    if (texts.length === count) return texts;
  }
  throw badInput(`${file} has ${texts.length} texts of ${fewestCharacters} characters; ${count} are needed.`);
}

function learningTable(results: readonly { subject: Subject; report: CalibrationReport }[]): string {
  return table(
    ['gate', 'K', 'logits', 'recall', 'learned', 'error', 'learned', 'heads that learned'],
    results.map(({ subject, report: { layers } }) => {
      const of = (which: 'recallBefore' | 'recallAfter' | 'errorBefore' | 'errorAfter') =>
        mean(layers.map((head) => head[which]));
      return [
        ...[subject.name, `${subject.k}`, `× ${subject.sharpness}`],
        ...[of('recallBefore'), of('recallAfter')].map((share) => `${(100 * share).toFixed(1)} %`),
        ...[of('errorBefore'), of('errorAfter')].map((error) => error.toFixed(4)),
        `${layers.filter(({ kept }) => kept).length} of ${layers.length}`,
      ];
    }),
  );
}

function floorTable(floors: readonly FloorRow[]): string {
  const rows = floors.map(({ shape, k, layer, floor, fitted, calibrated }) => [
    ...[shape, `${k}`, `${layer}`, floor.toFixed(4), fitted.toFixed(4), calibrated.toFixed(4)],
    ...[fitted / floor, calibrated / floor].map((ratio) => ratio.toFixed(2)),
    verdict(Math.max(fitted, calibrated) / floor <= floorBars[shape]),
  ]);
  return table(['shape', 'K', 'layer', 'floor', 'fitted', 'calibrated', '÷ floor', '÷ floor', 'bar'], rows);
}
