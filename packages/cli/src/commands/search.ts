// flashmla search: which attention each layer and head of a model should have to be as fast as asked for, by measurement.

import { access } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  AttentionSearch,
  denseAttention,
  type EncoderModel,
  loadModel,
  logitError,
  searchedGates,
  type TextInput,
} from '@flashmla/model-swap';
import { type Backend, precisions } from '@flashmla/tensor';
import { describeMachine } from '../bench/machine.ts';
import { type Context, command } from '../command.ts';
import { makeFolder } from '../make-folder.ts';
import { shippedModel, withBackend } from '../opening.ts';
import { backendOption, modelOption, parseWhole, threadsOption } from '../options.ts';
import { formatMs, formatPercent, none, table } from '../output.ts';
import {
  budgetsOf,
  checkReached,
  findAll,
  type MethodResult,
  measurePoints,
  type Precisions,
  winnerOf,
} from '../search/curve.ts';
import { readExamples, type SearchExamples } from '../search/examples.ts';
import { Judge } from '../search/judge.ts';
import { paretoChart } from '../search/pareto-chart.ts';
import { type PointReport, reportLayers, reportPoint, reportResult, reportSearch } from '../search/report.ts';
import { defaults, parseSettings, type Settings } from '../search/settings.ts';
import { writeFolder } from '../search/write-folder.ts';

export const search = command({
  name: 'search',
  summary: 'Chooses how each layer and head attends so that a text takes no longer than asked for, by measurement.',
  usage:
    '--model DIR --data F --latency-ms X --out DIR [--gates content,block] [--dtypes float32] [--limit N] [--points N]',
  details:
    'Per layer: dense, or a gate, its shape or block, the length it begins at; per head of content gates: K; for the whole model:\n' +
    'the precision. Costs are measured here at the lengths of the data, errors on texts that are not judged by. A differentiable\n' +
    'relaxation and an evolution search under the same budgets. Writes a folder that --model takes, with search.json, and\n' +
    'pareto.json and pareto.svg: accuracy against latency. Rows without labels are judged by agreement with dense attention.',
  options: {
    model: modelOption,
    data: { type: 'string', value: 'F', description: 'as for eval; or texts alone: { text } or { a, b? }' },
    'latency-ms': {
      type: 'string',
      value: 'X',
      description: 'what a text may take, mean over the data, one at a time',
    },
    out: {
      type: 'string',
      value: 'DIR',
      description: 'where the model goes with what was chosen; its own folder will do',
    },
    task: { type: 'string', value: 'NAME', description: 'what rows are about, as for eval' },
    limit: { type: 'string', value: 'N', description: 'rows to take from the start; default: all' },
    gates: {
      type: 'string',
      value: 'GATES',
      description: `what layers may have, of ${searchedGates.join(', ')}; default: content,block. Slot gates learn first`,
    },
    dtypes: {
      type: 'string',
      value: 'DTYPES',
      description: `precisions of the whole model, of ${precisions.join(', ')}; the first is the reference; default: float32`,
    },
    calibration: {
      type: 'string',
      value: 'N',
      description: `texts that errors are measured on; default: ${defaults.calibration}`,
    },
    points: { type: 'string', value: 'N', description: `budgets of the curve; default: ${defaults.points}` },
    seed: { type: 'string', value: 'S', description: 'of both searches; default 0' },
    backend: backendOption,
    threads: threadsOption,
  },

  async run(values, context) {
    const settings = parseSettings(values);
    const { dtypes, out, latencyMs, points: count } = settings;
    const source = values.model ?? (await shippedModel());
    await makeFolder(out);
    const rare = dtypes.find((dtype) => dtype !== 'float32');
    const opening = { ...values, ...(rare && { dtype: rare }) };
    return withBackend(opening, context, (backend) =>
      withModels(source, dtypes, backend, context, async (models) => {
        const examples = await readExamples(models[0]!, settings);
        const measured = await measureAll(models, examples, settings, context);
        checkReached(measured, latencyMs);
        const results = await findAll(measured, budgetsOf(measured, latencyMs, count), context);
        const judge = await Judge.open(models[0]!, denseAttention(models[0]!), examples, context.signal);
        const points = await measurePoints(measured, results, judge, context);

        const winner = winnerOf(results, latencyMs);
        const atBudget = results.filter(({ budgetMs }) => budgetMs === latencyMs);
        const best = atBudget.find(({ method }) => method === winner) ?? atBudget[0]!;
        const pointOf = (result: MethodResult) => points.find((point) => point.results?.includes(result))!;
        const chosen = pointOf(best);
        const reports = points.map(reportPoint);
        const threads = parseWhole('threads', values.threads, 1) ?? backend.device.threads ?? availableParallelism();
        const machine = await describeMachine(backend, threads, {});
        const summary = {
          ...{
            backend: backend.name,
            latencyMs,
            texts: examples.judged.length,
            calibration: examples.calibration.length,
          },
          ...{ winner, dtype: chosen.model.dtype, layers: reportLayers(chosen.attention), chosen: reportPoint(chosen) },
          methods: atBudget.map((result) => ({ ...reportResult(result), measured: reportPoint(pointOf(result)) })),
          points: reports,
        };
        const { measure, qualityOf } = measureOf(examples);
        const date = new Date().toISOString();
        const files = {
          'search.json': asFile({
            ...{ format: 'flashmla-search/1', date, machine, ...summary },
            measured: measured.map(({ search: own, dtypeError }) => ({ ...reportSearch(own), dtypeError })),
            results: results.map(reportResult),
          }),
          'pareto.json': asFile({ format: 'flashmla-pareto/1', date, machine, measure, latencyMs, points: reports }),
          'pareto.svg': paretoChart(reports, {
            ...{ title: `${measure} against latency`, measure, qualityOf, latencyMs },
            notes: [
              `${machine.cpu}, ${threads} threads, ${backend.name}, Node ${machine.node.slice(1)}, flashmla ${machine.versions.flashmla}; ${date.slice(0, 10)}; ${examples.judged.length} texts.`,
              'Blue: searched. Orange: content gates, the same K in all layers. Grey: dense.',
            ],
          }),
        };
        context.signal.throwIfAborted();
        await writeFolder(out, await localFolder(source), { ...chosen, files });
        return { json: { ...summary, out }, text: textOf(summary, reports, measure, qualityOf, out) };
      }),
    );
  },
});

/** The same model in each precision. */
async function withModels<Result>(
  source: string,
  dtypes: Settings['dtypes'],
  backend: Backend,
  { signal, progress }: Context,
  use: (models: readonly EncoderModel[]) => Promise<Result>,
): Promise<Result> {
  const models: EncoderModel[] = [];
  try {
    progress.start('loading the model');
    for (const dtype of dtypes) models.push(await loadModel(source, { backend, dtype, signal }));
    progress.stop();
    return await use(models);
  } finally {
    for (const model of models) await model.dispose();
  }
}

async function measureAll(
  models: readonly EncoderModel[],
  { calibration, judged }: SearchExamples,
  { gates, seed }: Settings,
  { signal, progress }: Context,
): Promise<Precisions[]> {
  const textsOf = (examples: SearchExamples['judged']): TextInput[] => examples.map(({ text }) => text);
  const measured: Precisions[] = [];
  let reference: Float32Array | undefined;
  for (const model of models) {
    const run = await model.run(textsOf(calibration), { signal, hidden: false });
    const logits = run.logits!.array as Float32Array;
    reference ??= logits;
    let shown = '';
    const own = await AttentionSearch.measure(model, textsOf(judged), textsOf(calibration), {
      ...{ gates, seed, signal },
      progress(task, done) {
        if (task !== shown) progress.start(`${task}, ${model.dtype}`);
        shown = task;
        progress.update(done);
      },
    });
    progress.stop();
    const width = model.labels.length;
    const errors = calibration.map((_, i) =>
      logitError(reference!.subarray(i * width, (i + 1) * width), logits.subarray(i * width, (i + 1) * width)),
    );
    measured.push({ search: own, dtypeError: errors.reduce((sum, error) => sum + error, 0) / errors.length });
  }
  return measured;
}

/** What points are compared by: the task's first metric, or agreement with dense attention where there are no answers. */
function measureOf({ task }: SearchExamples): { measure: string; qualityOf: (point: PointReport) => number } {
  const [metric] = task.metrics;
  if (metric !== undefined) return { measure: metric, qualityOf: ({ metrics }) => metrics[metric]! };
  return { measure: 'agreement with dense', qualityOf: ({ agreement, logitError: moved }) => agreement ?? -moved };
}

/** The folder of a model on this machine; undefined for a URL of another. */
async function localFolder(source: string): Promise<string | undefined> {
  const path = source.startsWith('file:') ? fileURLToPath(source) : source;
  return access(path).then(
    () => path,
    () => undefined,
  );
}

const asFile = (content: object): string => `${JSON.stringify(content, null, 1)}\n`;

interface Summary {
  readonly backend: string;
  readonly latencyMs: number;
  readonly texts: number;
  readonly winner: string;
  readonly dtype: string;
  readonly layers: ReturnType<typeof reportLayers>;
  readonly chosen: PointReport;
}

function textOf(
  { backend, latencyMs, texts, winner, dtype, layers, chosen }: Summary,
  points: readonly PointReport[],
  measure: string,
  qualityOf: (point: PointReport) => number,
  out: string,
): string {
  const within = chosen.latencyMs <= latencyMs ? '' : ', over what was asked for';
  const won = winner === 'tie' ? 'both searches found equally good choices' : `the ${winner} won`;
  return [
    `${texts} texts on ${backend}, ${dtype}: ${formatMs(chosen.latencyMs)} a text (predicted ${formatMs(chosen.predictedMs!)})${within}; ${won}`,
    `what was chosen is in ${out}`,
    '',
    table(layerColumns, layers),
    table(
      pointColumns(measure, qualityOf),
      points.toSorted((a, b) => a.latencyMs - b.latencyMs),
    ),
  ].join('\n');
}

type Layer = ReturnType<typeof reportLayers>[number];

const gated = ({ attention }: Layer) => (attention === 'dense' ? undefined : attention);

const layerColumns = [
  { title: 'layer', value: ({ layer }: Layer) => `${layer}` },
  { title: 'attention', align: 'left', value: (layer: Layer) => gated(layer)?.gate ?? 'dense' },
  {
    title: 'shape',
    align: 'left',
    value: (layer: Layer) => gated(layer)?.shape ?? (gated(layer)?.block ? `blocks of ${gated(layer)!.block}` : none),
  },
  { title: 'from', value: (layer: Layer) => (gated(layer) ? `${gated(layer)!.crossover}` : none) },
  {
    title: 'K of the heads',
    align: 'left',
    value: (layer: Layer) => ('headKeys' in layer ? layer.headKeys!.join(' ') : `${gated(layer)?.k ?? none}`),
  },
] as const;

function pointColumns(measure: string, qualityOf: (point: PointReport) => number) {
  const nameOf = ({ kind, k, methods }: PointReport) =>
    kind === 'searched' ? methods!.join(', ') : kind === 'uniform' ? `K ${k} everywhere` : kind;
  return [
    { title: '', align: 'left', value: nameOf },
    { title: 'precision', align: 'left', value: ({ dtype }: PointReport) => dtype },
    {
      title: 'budget',
      value: ({ budgetsMs }: PointReport) => budgetsMs?.map(formatMs).join(', ') ?? none,
    },
    {
      title: 'predicted',
      value: ({ predictedMs }: PointReport) => (predictedMs === undefined ? none : formatMs(predictedMs)),
    },
    { title: 'measured', value: ({ latencyMs }: PointReport) => formatMs(latencyMs) },
    { title: measure, value: (point: PointReport) => qualityOf(point).toFixed(4) },
    {
      title: 'as dense',
      value: ({ agreement }: PointReport) => (agreement === null ? none : formatPercent(agreement, 2)),
    },
    { title: 'logit error', value: ({ logitError: moved }: PointReport) => moved.toExponential(1) },
  ] as const;
}
