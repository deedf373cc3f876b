// bench:long-documents: accuracy on documents of thousands of tokens, dense against sparse. A document is reviews of one
// label, one after the other, so that it has a label although nobody wrote it.

import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { provider } from '@flashmla/kernels-cpu';
import { type EncoderModel, loadModel, restoreAttention, swapAttention } from '@flashmla/model-swap';
import { randomSource, shuffled } from '@flashmla/tensor';
import { badInput, main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { dataFile, modelFolder } from './shared-data.ts';
import { table, verdict } from './table.ts';

/** Points of accuracy that sparse may be below dense. */
const bar = 0.5;
const seed = 1;

interface Document {
  readonly text: string;
  readonly label: number;
}

interface Result {
  readonly tokens: number;
  readonly documents: number;
  readonly meanTokens: number;
  readonly k: number;
  readonly dense: number;
  readonly sparse: number;
  readonly agreement: number;
}

void main({
  name: 'long-documents',
  summary: 'accuracy of a sentiment model on reviews of one label joined to long documents, dense against sparse.',
  options: {
    model: 'a model folder; default: shared/models/sentiment-4l-256 beside the checkout, else the shipped model',
    data: 'lines of path, label, text, tab-separated, gzip; default: shared/data/imdb/test.tsv.gz beside the checkout',
    tokens: 'lengths; default 2048,4000',
    documents: 'of each length, half of each label; default 200',
    k: 'keys a query selects; default 64',
  },

  async run(values) {
    const folder = modelFolder(values.model);
    const data = dataFile(values.data, 'imdb/test.tsv.gz');
    const lengths = (values.tokens ?? '2048,4000').split(',').map((one) => whole('tokens', one, 1));
    const count = whole('documents', values.documents, 200);
    const k = whole('k', values.k, 64);
    const backend = await provider.open();
    const model = await loadModel(folder, { backend });
    const reviews = shuffled(readReviews(data), randomSource(seed));
    const results: Result[] = [];
    for (const tokens of lengths) {
      progress(`${tokens} tokens`);
      results.push(await evaluate(model, documentsOf(model, reviews, tokens, count), tokens, k));
    }
    progress('');
    const machine = describeMachine(backend);
    await model.dispose();
    await backend.dispose();
    return {
      json: { benchmark: 'long-documents', machine, seed, results },
      text: [
        machineLine(machine),
        `reviews of one label joined, half of the documents of each label; sparse forced, K ${k}, gates as they come`,
        '',
        table(
          ['tokens', 'documents', 'mean tokens', 'dense', 'sparse', 'as dense'],
          results.map((one) => [
            ...[`≤ ${one.tokens}`, `${one.documents}`, one.meanTokens.toFixed(0)],
            ...[one.dense, one.sparse, one.agreement].map((share) => `${(100 * share).toFixed(2)} %`),
          ]),
        ),
        ...results.map(({ tokens, dense, sparse }) => {
          const below = Math.max(0, 100 * (dense - sparse));
          return `${tokens} tokens: ${below.toFixed(2)} points below dense; bar: ≤ ${bar}: ${verdict(below <= bar)}`;
        }),
        '',
      ].join('\n'),
    };
  },
});

async function evaluate(
  model: EncoderModel,
  documents: readonly Document[],
  tokens: number,
  k: number,
): Promise<Result> {
  const dense = await labelsOf(model, documents);
  swapAttention(model, { k, crossover: 0 });
  const sparse = await labelsOf(model, documents);
  restoreAttention(model);
  const share = (isRight: (i: number) => boolean) => documents.filter((_, i) => isRight(i)).length / documents.length;
  const expected = documents.map(({ label }) => label);
  return {
    ...{ tokens, documents: documents.length, k },
    meanTokens: dense.tokens.reduce((sum, count) => sum + count, 0) / documents.length,
    dense: share((i) => dense.labels[i] === expected[i]),
    sparse: share((i) => sparse.labels[i] === expected[i]),
    agreement: share((i) => sparse.labels[i] === dense.labels[i]),
  };
}

/** Numbers of the labels, and tokens, of each document. */
async function labelsOf(model: EncoderModel, documents: readonly Document[]) {
  const texts = documents.map(({ text }) => text);
  const { labels, tokens } = await model.run(texts, { hidden: false });
  return { labels: labels!.map((label) => model.labels.indexOf(label)), tokens };
}

function readReviews(file: string): Document[] {
  const lines = gunzipSync(readFileSync(file)).toString('utf8').trim().split('\n');
  return lines.map((line, number) => {
    const [, label, text] = line.split('\t');
    if (text !== undefined && (label === '0' || label === '1')) return { text, label: Number(label) };
    throw badInput(`${file}:${number + 1} is not path, label 0 or 1, text, tab-separated.`);
  });
}

/** Documents of at most `tokens` tokens: reviews of one label as long as the next one fits, each review used once. */
function documentsOf(model: EncoderModel, reviews: readonly Document[], tokens: number, count: number): Document[] {
  const special = model.encode('')[0].ids.length;
  return [0, 1].flatMap((label) => {
    const documents: Document[] = [];
    let [texts, length] = [[] as string[], special];
    for (const { text } of reviews.filter((review) => review.label === label)) {
      const own = model.encode(text)[0].ids.length - special;
      if (special + own > tokens) continue;
      if (length + own > tokens) {
        documents.push({ text: texts.join(' '), label });
        [texts, length] = [[], special];
        if (documents.length === count / 2) return documents;
      }
      texts.push(text);
      length += own;
    }
    throw badInput(`the reviews of label ${label} make ${documents.length} documents of ${tokens} tokens; give more.`);
  });
}
