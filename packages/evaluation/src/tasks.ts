// What is asked about texts, and how answers are measured: the GLUE tasks that are kept here (Wang et al. 2018, arXiv
// 1804.07461) with the metrics of that benchmark, and IMDB (Maas et al. 2011).

import type { MetricName } from './metrics/index.ts';

export type TaskName = 'sst2' | 'cola' | 'mrpc' | 'stsb' | 'qnli' | 'rte' | 'imdb';

export interface Task {
  /** Absent for rows that name no task. */
  readonly name?: TaskName;
  /** Texts of an example; absent where one and two are both taken. */
  readonly texts?: 1 | 2;
  /** Names of the labels by number; absent where answers are scores. */
  readonly labels?: readonly string[];
  /** The least score and the most. */
  readonly scores?: readonly [least: number, most: number];
  readonly metrics: readonly MetricName[];
}

export const tasks: Readonly<Record<TaskName, Task>> = {
  sst2: { name: 'sst2', texts: 1, labels: ['negative', 'positive'], metrics: ['accuracy'] },
  cola: { name: 'cola', texts: 1, labels: ['unacceptable', 'acceptable'], metrics: ['matthews'] },
  mrpc: { name: 'mrpc', texts: 2, labels: ['not_equivalent', 'equivalent'], metrics: ['f1', 'accuracy'] },
  stsb: { name: 'stsb', texts: 2, scores: [0, 5], metrics: ['pearson', 'spearman'] },
  qnli: { name: 'qnli', texts: 2, labels: ['entailment', 'not_entailment'], metrics: ['accuracy'] },
  rte: { name: 'rte', texts: 2, labels: ['entailment', 'not_entailment'], metrics: ['accuracy'] },
  imdb: { name: 'imdb', texts: 1, labels: ['negative', 'positive'], metrics: ['accuracy'] },
};

export const taskNames = Object.keys(tasks) as readonly TaskName[];
