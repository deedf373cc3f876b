// flashmla eval: what sparse attention costs in accuracy, on labelled texts, against the same model with dense attention.

import type { GateName } from '@flashmla/gating';
import { type EncoderModel, restoreAttention, swapAttention, verifySwap } from '@flashmla/model-swap';
import { type Context, command } from '../command.ts';
import { type LabelledText, readLabelledTexts } from '../data.ts';
import { badInput } from '../errors.ts';
import { withModel } from '../opening.ts';
import {
  type AttentionKind,
  attentionKinds,
  backendOption,
  dtypeOption,
  gateOption,
  modelOption,
  parseChoices,
  parseGate,
  parseWhole,
  parseWholes,
  required,
  threadsOption,
} from '../options.ts';
import { formatMs, formatPercent, none, table } from '../output.ts';

/** Examples that recall and error are measured on: each costs a dense run beside the sparse one. */
const mostMeasured = 64;

interface Result {
  readonly attention: AttentionKind;
  readonly gate: GateName | null;
  readonly k: number | null;
  readonly examples: number;
  /** Share of labels that are the data's; null where rows have scores instead. */
  readonly accuracy: number | null;
  /** Share of labels that are those of dense attention. */
  readonly agreement: number;
  /** Attention mass on the selected keys, mean over the layers. */
  readonly recall: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of a layer's attention, both on the same input, mean over the layers. */
  readonly error: number;
  /** Examples that recall and error were measured on, spread evenly over the data; those of k tokens or fewer count for neither. */
  readonly measuredExamples: number;
  /** Of the run over all examples. */
  readonly elapsedMs: number;
}

export const evaluate = command({
  name: 'eval',
  summary: 'Accuracy on labelled texts with dense and with sparse attention, and how well they agree.',
  usage: '--model DIR --data F.jsonl [--limit N] [--attention dense,sparse] [--k 16,32,64] [--gate G]',
  details:
    'Sparse attention is forced at every length here. agreement: share of labels equal to dense. recall: attention mass\n' +
    `on the selected keys. error: relative output error of the attention layers; recall and error on at most ${mostMeasured}\n` +
    'examples, spread evenly. A text of K tokens or fewer is dense by definition. Rows with scores have no accuracy.',
  options: {
    model: modelOption,
    data: {
      type: 'string',
      value: 'F',
      description: 'JSONL of { text, label } or { a, b?, label | score }; label: number or name',
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
    const kinds = parseChoices('attention', values.attention ?? 'dense,sparse', attentionKinds);
    const ks = parseWholes('k', values.k ?? '16,32,64', 1);
    const gate = parseGate(values.gate);
    const limit = parseWhole('limit', values.limit, 1);
    return withModel(values, context, async (model) => {
      if (model.labels.length < 2) {
        throw badInput('this model has no labels to choose from; eval needs a model with a classification head.');
      }
      const examples = await readLabelledTexts(data, model.labels, limit);
      const results = await evaluateAll(model, examples, { kinds, ks, gate }, context);
      return {
        json: { backend: model.backend.name, dtype: model.dtype, results },
        text: `${examples.length} examples in ${model.dtype} on ${model.backend.name}: ${model.backend.device.description}\n\n${table(columns, results)}`,
      };
    });
  },
});

interface Variants {
  readonly kinds: readonly AttentionKind[];
  readonly ks: readonly number[];
  readonly gate: GateName;
}

async function evaluateAll(
  model: EncoderModel,
  examples: readonly LabelledText[],
  { kinds, ks, gate }: Variants,
  context: Context,
): Promise<Result[]> {
  const results: Result[] = [];
  // Dense runs in any case: agreement is with its labels.
  const dense = await labelAll(model, examples, 'dense', context);
  const score = ({ labels, elapsedMs }: Labelling) => ({
    examples: examples.length,
    accuracy: examples.some(({ label }) => label === undefined)
      ? null
      : share(
          labels,
          examples.map(({ label }) => model.labels[label!]!),
        ),
    agreement: share(labels, dense.labels),
    elapsedMs,
  });
  const measured = evenlySpread(examples, mostMeasured);
  const fixed = { attention: 'dense', gate: null, k: null, recall: 1, error: 0 } as const;
  if (kinds.includes('dense')) results.push({ ...fixed, ...score(dense), measuredExamples: measured.length });
  for (const k of kinds.includes('sparse') ? ks : []) {
    swapAttention(model, { k, gate, crossover: 0 });
    // Before the run that is timed: the first sparse run of a model fits its gates.
    const fidelity = await measureFidelity(model, measured, `recall and error, K ${k}`, context);
    const sparse = await labelAll(model, examples, `sparse, K ${k}`, context);
    restoreAttention(model);
    results.push({ attention: 'sparse', gate, k, ...score(sparse), ...fidelity, measuredExamples: measured.length });
  }
  return results;
}

interface Labelling {
  readonly labels: readonly string[];
  readonly elapsedMs: number;
}

async function labelAll(
  model: EncoderModel,
  examples: readonly LabelledText[],
  title: string,
  { signal, progress }: Context,
): Promise<Labelling> {
  progress.start(title);
  const start = performance.now();
  const { labels } = await model.run(
    examples.map(({ text }) => text),
    {
      signal,
      hidden: false,
      progress({ task, done, total }) {
        if (task !== 'run') return;
        const perSecond = (1000 * examples.length * (done / total)) / (performance.now() - start);
        progress.update(done / total, `${perSecond.toFixed(perSecond < 10 ? 1 : 0)} examples/s`);
      },
    },
  );
  const elapsedMs = performance.now() - start;
  progress.stop();
  return { labels: labels!, elapsedMs };
}

/** A layer that every text ran through densely has lost nothing. */
async function measureFidelity(
  model: EncoderModel,
  examples: readonly LabelledText[],
  title: string,
  { signal, progress }: Context,
): Promise<Pick<Result, 'recall' | 'error'>> {
  progress.start(title);
  const { layers } = await verifySwap(
    model,
    examples.map(({ text }) => text),
    { signal, progress: ({ done, total }) => progress.update(done / total) },
  );
  progress.stop();
  const mean = (of: (layer: (typeof layers)[number]) => number) =>
    layers.reduce((sum, layer) => sum + of(layer), 0) / layers.length;
  return { recall: mean(({ recall }) => recall ?? 1), error: mean(({ error }) => error ?? 0) };
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

const columns = [
  { title: 'attention', align: 'left', value: ({ attention }: Result) => attention },
  { title: 'gate', align: 'left', value: ({ gate }: Result) => gate ?? none },
  { title: 'K', value: ({ k }: Result) => (k === null ? 'all' : `${k}`) },
  { title: 'accuracy', value: ({ accuracy }: Result) => (accuracy === null ? none : formatPercent(accuracy, 2)) },
  { title: 'as dense', value: ({ agreement }: Result) => formatPercent(agreement, 2) },
  { title: 'recall', value: ({ recall }: Result) => formatPercent(recall) },
  { title: 'error', value: ({ error }: Result) => error.toFixed(4) },
  { title: 'measured on', value: ({ measuredExamples }: Result) => `${measuredExamples}` },
  { title: 'time', value: ({ elapsedMs }: Result) => formatMs(elapsedMs) },
] as const;
