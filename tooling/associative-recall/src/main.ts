// The table of docs/accuracy.md: associative recall through dense attention and through gates.

import { selectBackend } from '@flashmla/backend';
import { shareInWindow } from '@flashmla/evaluation';
import { loadRecallModel, recallAccuracy } from './recall-accuracy.ts';

const k = 32;
/** Queries of a length in all. */
const queries = 8192;

const backend = await selectBackend();
const model = await loadRecallModel(backend);
const percent = (share: number) => `${(100 * share).toFixed(2)} %`.padStart(9);
console.log(`${queries} queries a length, k = ${k}, ${backend.device.description}\n`);
console.log('tokens      dense    content     static   pairs within the static window');
for (const tokens of [512, 2048, 8192]) {
  const sizes = { tokens, sequences: queries / (tokens / 8), k };
  const row = [];
  for (const gate of [undefined, 'content', 'static'] as const) row.push(await recallAccuracy(model, sizes, gate));
  console.log(`${tokens}`.padEnd(6), ...row.map(percent), percent(shareInWindow(tokens, k)));
}
await model.dispose();
await backend.dispose();
