// One text, dense and sparse: labels first, then what each took, then which keys were chosen, then shorter pieces of the
// text. Every result is reported as soon as it is there.

import { FlashMLAAttention } from '@flashmla/attention';
import {
  type EncodedText,
  type EncoderModel,
  keysShare,
  measureGates,
  restoreAttention,
  swapAttention,
} from '@flashmla/model-swap';
import type { SelectionInit } from '@flashmla/tensor';
import { answerOf } from './answer.ts';
import { cutsOf } from './cuts.ts';
import type { Cost, Kind, LayerSelection, RunEvent, RunRequest } from './protocol.ts';

type Report = (event: RunEvent, transfer?: Transferable[]) => void;

/** No further timed run begins after this. */
const enoughMs = 500;
const mostTimedRuns = 3;
/** How much of dense attention was picked is measured on so many tokens: it runs dense attention several times a layer. */
const mostMeasuredTokens = 1024;

export async function analyse(
  model: EncoderModel,
  { text, k, gate }: RunRequest,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const [encoded] = model.encode(text);
  const { ids, truncated } = encoded!;
  const tokens = ids.length;
  const classify = async (attention: Kind) => {
    report({ kind: 'step', step: `Reading ${tokens} tokens with ${attention} attention` });
    const { logits } = await model.run(text, { hidden: false, signal });
    const answer = answerOf(logits ? [...(logits.array as Float32Array)] : [], model.labels);
    report({ kind: 'answer', attention, answer: { ...answer, tokens, truncated } });
    report({ kind: 'step', step: `Timing ${attention} attention` });
    const cost = await costOf(model, encoded!, signal);
    report({ kind: 'cost', attention, cost });
    return cost.elapsedMs;
  };
  // Sparse at every length, so that there is something to see; by itself the module runs short texts dense.
  const swap = () => swapAttention(model, { gate, crossover: 0, ...(k !== undefined && { k }) });
  try {
    const denseMs = await classify('dense');
    swap();
    const sparseMs = await classify('sparse');
    report({ kind: 'step', step: 'Looking which keys were chosen' });
    await reportSelections(model, encoded!, report, signal);
    for (const cut of cutsOf(tokens)) {
      report({ kind: 'step', step: `Timing the first ${cut} tokens` });
      const [piece] = model.encode(text, { maxTokens: cut });
      restoreAttention(model);
      const { elapsedMs: dense } = await costOf(model, piece!, signal);
      swap();
      const { elapsedMs: sparse } = await costOf(model, piece!, signal);
      report({ kind: 'point', point: { tokens: cut, denseMs: dense, sparseMs: sparse } });
    }
    report({ kind: 'point', point: { tokens, denseMs, sparseMs } });
    report({ kind: 'step', step: 'Measuring how much of dense attention the keys hold' });
    swap();
    const heads = await measureGates(model, text, { maxTokens: mostMeasuredTokens, signal });
    report({ kind: 'qualities', tokens: Math.min(tokens, mostMeasuredTokens), heads });
  } finally {
    restoreAttention(model);
  }
}

/** What the model takes for an encoded text with the attention that it has now. */
async function costOf(model: EncoderModel, text: EncodedText, signal: AbortSignal): Promise<Cost> {
  const { backend } = model;
  const once = async () => {
    const start = performance.now();
    await forward(model, text, signal);
    return performance.now() - start;
  };
  // The first run of a length makes its kernels ready.
  await once();
  backend.resetPeak();
  const begin = performance.now();
  let elapsedMs = await once();
  for (let runs = 1; runs < mostTimedRuns && performance.now() - begin < enoughMs; runs++) {
    elapsedMs = Math.min(elapsedMs, await once());
  }
  const { peakBytes } = backend.memory();
  const calls = model.encoder.layer.map(({ attention }) =>
    attention instanceof FlashMLAAttention ? attention.statistics.last : undefined,
  );
  return {
    elapsedMs,
    peakBytes,
    keysShare: keysShare(model),
    ranDense: calls.every((call) => call?.chosen !== 'sparse'),
  };
}

const forward = (model: EncoderModel, text: EncodedText, signal: AbortSignal) =>
  model.forward([text], { hidden: false, signal }, async ({ logits, pooled }) => (logits ?? pooled)?.data());

async function reportSelections(
  model: EncoderModel,
  text: EncodedText,
  report: Report,
  signal: AbortSignal,
): Promise<void> {
  const modules = model.encoder.layer.map(({ attention }) =>
    attention instanceof FlashMLAAttention ? attention : undefined,
  );
  const layers: LayerSelection[] = [];
  try {
    for (const one of modules) if (one) one.keepSelection = true;
    // All tokens of all layers, so that there is a choice to show in the last one too.
    await model.forward([text], { signal }, async () => {});
    for (const one of modules) layers.push(await one?.lastSelection());
  } finally {
    for (const one of modules) if (one) one.keepSelection = false;
  }
  const pieces = Array.from(text.ids, (id) => model.tokenizer.token(id) ?? '');
  report({ kind: 'selections', pieces, layers }, layers.flatMap(buffersOf));
}

const buffersOf = (selection: SelectionInit | undefined): Transferable[] =>
  selection
    ? [selection.indices, selection.keyOrder, selection.queryOrder].flatMap((array) => (array ? [array.buffer] : []))
    : [];
