// Running the model with one attention or the other, and what that took.

import { type EncoderModel, keysShare, restoreAttention, swapAttention } from '@flashmla/model-swap';

export interface Answer {
  readonly label: string;
  /** Softmax of its logit. */
  readonly confidence: number;
  readonly tokens: number;
  /** Whether the text's end was left out, because the model takes no more. */
  readonly truncated: boolean;
}

export interface Cost {
  /** Median. */
  readonly elapsedMs: number;
  /** Most memory of the backend in use at once, weights not counted. */
  readonly peakBytes: number;
  /** See `keysShare` of @flashmla/model-swap. */
  readonly keysShare: number;
}

/** Both ways of running the same thing. */
export interface Pair<T> {
  readonly dense: T;
  readonly sparse: T;
}

const mostRuns = 5;
const leastRuns = 2;
/** No further run begins after this. */
const enoughMs = 700;

/** Labels and confidences of texts. */
export async function classify(model: EncoderModel, texts: readonly string[]): Promise<Answer[]> {
  const { logits, labels, tokens, truncated } = await model.run(texts, { hidden: false });
  if (!logits || !labels) throw new Error('[demo] the shipped model has no classification head; install it again.');
  const values = logits.array as Float32Array;
  const count = model.labels.length;
  return labels.map((label, text) => {
    const own = [...values.subarray(text * count, (text + 1) * count)];
    const top = Math.max(...own);
    const confidence = 1 / own.reduce((sum, logit) => sum + Math.exp(logit - top), 0);
    return { label, confidence, tokens: tokens[text]!, truncated: truncated[text]! };
  });
}

/** What `work` takes with the attention that the model has now, and what it gives. */
export async function costOf<T>(model: EncoderModel, work: () => Promise<T>): Promise<Cost & { result: T }> {
  const { backend } = model;
  const { usedBytes } = backend.memory();
  backend.resetPeak();
  const times: number[] = [];
  const timed = async () => {
    const start = performance.now();
    const result = await work();
    times.push(performance.now() - start);
    return result;
  };
  let result = await timed();
  const begin = performance.now();
  while (times.length < leastRuns || (times.length < mostRuns && performance.now() - begin < enoughMs)) {
    result = await timed();
  }
  times.sort((a, b) => a - b);
  const peakBytes = backend.memory().peakBytes - usedBytes;
  return { elapsedMs: times[Math.floor((times.length - 1) / 2)]!, peakBytes, keysShare: keysShare(model), result };
}

/** `body` with sparse attention in every layer, at every length unless `crossover` says otherwise. */
export async function withSparse<T>(
  model: EncoderModel,
  { k, crossover }: { k: number | undefined; crossover: number | 'measured' },
  body: () => Promise<T>,
): Promise<T> {
  swapAttention(model, { ...(k !== undefined && { k }), ...(crossover !== 'measured' && { crossover }) });
  try {
    return await body();
  } finally {
    restoreAttention(model);
  }
}

/** `body` with dense attention, then with sparse attention forced. */
export async function both<T>(model: EncoderModel, k: number | undefined, body: () => Promise<T>): Promise<Pair<T>> {
  return { dense: await body(), sparse: await withSparse(model, { k, crossover: 0 }, body) };
}
