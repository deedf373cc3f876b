// The metrics by name. Each compares predicted with expected numbers, in the same order.

import { accuracy } from './accuracy.ts';
import { f1 } from './f1.ts';
import { matthews } from './matthews.ts';
import { pearson } from './pearson.ts';
import { spearman } from './spearman.ts';

export const metrics = { accuracy, f1, matthews, pearson, spearman };

export type MetricName = keyof typeof metrics;
