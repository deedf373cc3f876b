// Texts to calibrate on and others to judge by.

import { type Dataset, type Example, readDataset } from '@flashmla/evaluation';
import type { EncoderModel } from '@flashmla/model-swap';
import { badInput } from '../errors.ts';
import type { Settings } from './settings.ts';

export interface SearchExamples {
  readonly task: Dataset['task'];
  /** What errors are measured on: of all lengths, and not among those that are judged. */
  readonly calibration: readonly Example[];
  readonly judged: readonly Example[];
}

export async function readExamples(
  model: EncoderModel,
  { data, task: name, limit, calibration: wanted }: Settings,
): Promise<SearchExamples> {
  const { task, examples } = await readDataset(data, {
    ...{ labels: model.labels, unanswered: true },
    ...(name !== undefined && { task: name }),
    ...(limit !== undefined && { limit }),
  });
  if (examples.length < 2 * wanted) {
    throw badInput(
      `there are ${examples.length} texts; expected at least ${2 * wanted}, to measure errors on ${wanted} (--calibration) and judge by the others. ` +
        'Give more rows, or a smaller --calibration.',
    );
  }
  const length = ({ text }: Example) => model.encode([text])[0]!.ids.length;
  const byLength = examples
    .map((example) => ({ example, tokens: length(example) }))
    .sort((a, b) => a.tokens - b.tokens);
  const calibration = new Set(
    Array.from({ length: wanted }, (_, i) => byLength[Math.floor(((i + 0.5) * byLength.length) / wanted)]!.example),
  );
  return { task, calibration: [...calibration], judged: examples.filter((example) => !calibration.has(example)) };
}
