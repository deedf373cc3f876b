// flashmla eval: what sparse attention costs in accuracy, on labelled texts, against the same model with dense attention.

import { taskNames } from '@flashmla/evaluation';
import type { GateName } from '@flashmla/gating';
import {
  type EncoderModel,
  type GateMeasure,
  measureGates,
  restoreAttention,
  swapAttention,
} from '@flashmla/model-swap';
import { type Context, command } from '../command.ts';
import { type Answers, type Questions, readQuestions } from '../eval/questions.ts';
import { withModel } from '../opening.ts';
import {
  type AttentionKind,
  attentionKinds,
  backendOption,
  dtypeOption,
  gateOption,
  modelOption,
  parseChoice,
  parseChoices,
  parseGate,
  parseWhole,
  parseWholes,
  required,
  threadsOption,
} from '../options.ts';
import { type Column, formatMs, formatPercent, none, table } from '../output.ts';

/** Examples that recall and error are measured on: each costs a dense run beside the sparse one. */
const mostMeasured = 64;

/** How well the gates selected, mean over the heads of all layers, each on the queries, keys and values of dense attention. */
interface Fidelity {
  /** Attention mass on the selected keys. */
  readonly recall: number;
  /** The same for the true top K: no list of K keys holds more. */
  readonly oracleRecall: number;
  /** The same for a window and the first token, which needs no gate. */
  readonly staticRecall: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of a layer's attention. */
  readonly error: number;
  /** The same for each head; empty for dense attention. */
  readonly layers: readonly GateMeasure[];
}

const lossless = { recall: 1, oracleRecall: 1, staticRecall: 1, error: 0 };

interface Result extends Fidelity, Omit<Answers, 'labels'> {
  readonly attention: AttentionKind;
  readonly gate: GateName | null;
  readonly k: number | null;
  readonly examples: number;
  /** Share of labels that are those of dense attention; null for a model that gives a score. */
  readonly agreement: number | null;
  /** Examples that recall and error were measured on, spread evenly over the data; those of k tokens or fewer count for neither. */
  readonly measuredExamples: number;
  /** Of the run over all examples. */
  readonly elapsedMs: number;
}

export const evaluate = command({
  name: 'eval',
  summary: 'Accuracy on labelled texts or words with dense and with sparse attention, and how well they agree.',
  usage: '--model DIR --data F [--task NAME] [--limit N] [--attention dense,sparse] [--k 16,32,64] [--gate G]',
  details:
    'Sparse attention is forced at every length here; without --k and --gate, a model for which it was chosen (search) attends as was\n' +
    'chosen. agreement: share of labels equal to dense. recall: attention mass\n' +
    'on the selected keys; oracle, static: the same for the true top K, and for a window and the first token. error: relative\n' +
    `output error of the attention layers. All four on at most ${mostMeasured} examples, spread evenly. A text of K tokens or fewer\n` +
    'is dense by definition. A task has its own metrics: cola matthews,\n' +
    'mrpc f1 and accuracy, stsb pearson and spearman, the others accuracy. Rows of no task: accuracy, of two labels f1 and\n' +
    'matthews as well; those with scores pearson and spearman, and no accuracy. A model that labels words has their accuracy,\n' +
    'and where its labels mark entities (B-, I-) their f1.',
  options: {
    model: modelOption,
    data: {
      type: 'string',
      value: 'F',
      description:
        'JSONL of { text, label } or { a, b?, label | score }, or of { tokens, labels }; or a folder of GLUE as it is downloaded',
    },
    task: {
      type: 'string',
      value: 'NAME',
      description: `what rows are about: ${taskNames.join(', ')}; default: told by GLUE's files, else label or score`,
    },
    limit: { type: 'string', value: 'N', description: 'examples to take from the start; default: all' },
    attention: { type: 'string', value: 'KINDS', description: 'of dense, sparse; default: dense,sparse' },
    k: { type: 'string', value: 'KS', description: 'keys a query attends to; default: 16,32,64' },
    gate: gateOption,
    dtype: dtypeOption,
    backend: backendOption,
    threads: threadsOption,
  },

  async run(values, context) {
    const data = required('data', values.data, 'reviews.jsonl');
    const task = values.task === undefined ? undefined : parseChoice('task', values.task, taskNames);
    const kinds = parseChoices('attention', values.attention ?? 'dense,sparse', attentionKinds);
    const ks = parseWholes('k', values.k ?? '16,32,64', 1);
    const gate = parseGate(values.gate);
    const isNamed = values.k !== undefined || values.gate !== undefined;
    const limit = parseWhole('limit', values.limit, 1);
    return withModel(values, context, async (model) => {
      const questions = await readQuestions(model, data, { task, limit });
      const { truncated, results } = await evaluateAll(
        model,
        questions,
        { kinds, swaps: model.chosen && !isNamed ? ['chosen'] : ks.map((k) => ({ k, gate })) },
        context,
      );
      const { backend, dtype } = model;
      const title = `${questions.inputs.length} examples${questions.task ? ` of ${questions.task}` : ''}`;
      const cut = `${truncated} of them longer than the ${model.tokenizer.maxTokens} tokens that the model takes, and cut\n`;
      return {
        json: { backend: backend.name, dtype, task: questions.task ?? null, truncated, results },
        text:
          `${title} in ${dtype} on ${backend.name}: ${backend.device.description}\n${truncated > 0 ? cut : ''}\n` +
          table(columnsOf(questions), results),
      };
    });
  },
});

interface Variants {
  readonly kinds: readonly AttentionKind[];
  /** 'chosen': as was chosen for the model. */
  readonly swaps: readonly ('chosen' | { readonly k: number; readonly gate: GateName })[];
}

async function evaluateAll(
  model: EncoderModel,
  questions: Questions,
  { kinds, swaps }: Variants,
  context: Context,
): Promise<{ truncated: number; results: Result[] }> {
  const results: Result[] = [];
  const { inputs } = questions;
  // Dense runs in any case: agreement is with its labels.
  const dense = await answerAll(model, questions, 'dense', context);
  const score = ({ accuracy, metrics, labels, elapsedMs }: AllAnswers) => ({
    ...{ examples: inputs.length, accuracy, metrics, elapsedMs },
    agreement: labels && dense.labels ? share(labels, dense.labels) : null,
  });
  const measured = evenlySpread(inputs, mostMeasured);
  const fixed = { attention: 'dense', gate: null, k: null, ...lossless, layers: [] } as const;
  if (kinds.includes('dense')) results.push({ ...fixed, ...score(dense), measuredExamples: measured.length });
  for (const swap of kinds.includes('sparse') ? swaps : []) {
    const { k, gate } = swap === 'chosen' ? { k: null, gate: null } : swap;
    swapAttention(model, swap === 'chosen' ? {} : { ...swap, crossover: 0 });
    const title = k === null ? 'as chosen' : `K ${k}`;
    // Before the run that is timed: the first sparse run of a model fits its gates.
    const fidelity = await measureFidelity(model, measured, `recall and error, ${title}`, context);
    const sparse = await answerAll(model, questions, `sparse, ${title}`, context);
    restoreAttention(model);
    results.push({ attention: 'sparse', gate, k, ...score(sparse), ...fidelity, measuredExamples: measured.length });
  }
  return { truncated: dense.truncated, results };
}

interface AllAnswers extends Answers {
  /** Texts that were longer than the model takes. */
  readonly truncated: number;
  readonly elapsedMs: number;
}

async function answerAll(
  model: EncoderModel,
  { inputs, answersOf }: Questions,
  title: string,
  { signal, progress }: Context,
): Promise<AllAnswers> {
  progress.start(title);
  const start = performance.now();
  const result = await model.run(inputs, {
    signal,
    hidden: false,
    progress({ task, done, total }) {
      if (task !== 'run') return;
      const perSecond = (1000 * inputs.length * (done / total)) / (performance.now() - start);
      progress.update(done / total, `${perSecond.toFixed(perSecond < 10 ? 1 : 0)} examples/s`);
    },
  });
  const elapsedMs = performance.now() - start;
  progress.stop();
  return { ...answersOf(result), truncated: result.truncated.filter(Boolean).length, elapsedMs };
}

/** Where every text ran densely, nothing is lost and there are no layers. */
async function measureFidelity(
  model: EncoderModel,
  inputs: Questions['inputs'],
  title: string,
  { signal, progress }: Context,
): Promise<Fidelity> {
  progress.start(title);
  const layers = await measureGates(model, inputs, {
    signal,
    progress: ({ done, total }) => progress.update(done / total),
  });
  progress.stop();
  if (layers.length === 0) return { ...lossless, layers };
  const mean = (of: keyof typeof lossless) => layers.reduce((sum, head) => sum + head[of], 0) / layers.length;
  return {
    ...{ recall: mean('recall'), oracleRecall: mean('oracleRecall'), staticRecall: mean('staticRecall') },
    ...{ error: mean('error'), layers },
  };
}

/** `count` of `items` at even distances, or all if there are fewer. */
function evenlySpread<T>(items: readonly T[], count: number): T[] {
  if (items.length <= count) return [...items];
  return Array.from({ length: count }, (_, index) => items[Math.floor((index * items.length) / count)]!);
}

/** Share of `given` that are as `expected`. */
function share(given: readonly string[], expected: readonly string[]): number {
  return given.filter((label, index) => label === expected[index]).length / given.length;
}

function columnsOf(questions: Questions): readonly Column<Result>[] {
  const own = questions.metrics.map((name) => ({
    title: name,
    value: ({ metrics }: Result) => formatMetric(metrics[name]!),
  }));
  return [
    { title: 'attention', align: 'left', value: ({ attention }) => attention },
    { title: 'gate', align: 'left', value: ({ gate }) => gate ?? none },
    { title: 'K', value: ({ k, attention }) => (k === null ? (attention === 'dense' ? 'all' : 'chosen') : `${k}`) },
    ...own,
    { title: 'accuracy', value: ({ accuracy }) => formatShare(accuracy) },
    { title: 'as dense', value: ({ agreement }) => formatShare(agreement) },
    { title: 'recall', value: ({ recall }) => formatPercent(recall) },
    { title: 'oracle', value: ({ oracleRecall }) => formatPercent(oracleRecall) },
    { title: 'static', value: ({ staticRecall }) => formatPercent(staticRecall) },
    { title: 'error', value: ({ error }) => error.toFixed(4) },
    { title: 'measured on', value: ({ measuredExamples }) => `${measuredExamples}` },
    { title: 'time', value: ({ elapsedMs }) => formatMs(elapsedMs) },
  ];
}

const formatShare = (share: number | null): string => (share === null ? none : formatPercent(share, 2));
const formatMetric = (value: number): string => (Number.isNaN(value) ? none : value.toFixed(4));
