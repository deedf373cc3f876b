// bench:chart: draws results files of `flashmla bench … --out` as SVG.

import { readFile, writeFile } from 'node:fs/promises';
import { parseResults, type ResultsFile } from '@flashmla/workloads';
import { panelsOf } from './chart/series.ts';
import { chart } from './chart/svg.ts';
import { badInput, main } from './command.ts';

const subjects: Readonly<Record<ResultsFile['subject'], string>> = {
  attention: 'Attention alone',
  layer: 'One encoder layer',
  model: 'A whole model, token ids to logits',
};

void main({
  name: 'chart',
  summary: 'draws results files as SVG: tokens per second over the length, a panel for each batch',
  options: {
    results: 'the files, e.g. a.json,b.json; of one subject, on one machine',
    out: 'the SVG to write',
  },

  async run({ results, out }) {
    if (results === undefined || out === undefined) throw badInput('give --results a.json,b.json and --out chart.svg.');
    const files = await Promise.all(results.split(',').map(read));
    const panels = panelsOf(files);
    await writeFile(out, chart(panels, textOf(files)));
    const points = panels.flatMap(({ series }) => series.flatMap((one) => one.points)).length;
    return {
      json: { out, panels: panels.length, points },
      text: `${out}: ${panels.length} panels, ${points} points\n`,
    };
  },
});

async function read(file: string): Promise<ResultsFile> {
  const text = await readFile(file, 'utf8').catch((cause: Error) => {
    throw badInput(`--results: ${cause.message}.`, { cause });
  });
  return parseResults(text, file);
}

function textOf(files: readonly ResultsFile[]) {
  const { subject, model, machine } = files[0]!;
  const versions = Object.assign({}, ...files.map((file) => file.machine.versions)) as Record<string, string>;
  const peers = Object.entries(versions).filter(([name]) => name.startsWith('onnxruntime'));
  const days = [...new Set(files.map(({ date }) => date.slice(0, 10)))].sort();
  return {
    title: `${subjects[subject]}: ${model}`,
    notes: [
      `${machine.cpu}, ${machine.threads} threads each, Node ${machine.node.slice(1)}, ` +
        `${peers.map(([name, version]) => `${name} ${version}`).join(', ')}; ${days.join(', ')}.`,
      'Points: by the median time; whiskers: slowest and fastest run. All ran in turn, outputs compared first.',
    ],
  };
}
