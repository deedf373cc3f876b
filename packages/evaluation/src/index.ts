// @flashmla/evaluation: labelled texts, what is asked about them, and how answers are measured.

export { type Dataset, type DatasetOptions, datasetOf, type Example } from './datasets/dataset.ts';
export { type GlueRows, parseGlueTsv } from './datasets/glue-tsv.ts';
export { parseJsonl } from './datasets/jsonl.ts';
export { type RowsOptions, readDataset, readRows, readTexts, streamTexts } from './datasets/read.ts';
export type { Row, Texts } from './datasets/row.ts';
export { readTextFile } from './files.ts';
export { accuracy } from './metrics/accuracy.ts';
export { entityF1, marksEntities, type WordLabels } from './metrics/entity-f1.ts';
export { f1 } from './metrics/f1.ts';
export { type MetricName, metrics } from './metrics/index.ts';
export { matthews } from './metrics/matthews.ts';
export { pearson } from './metrics/pearson.ts';
export { spearman } from './metrics/spearman.ts';
export { measure, predictor } from './predict.ts';
export {
  type AssociativeRecall,
  type AssociativeRecallOptions,
  associativeRecall,
  type RecallExample,
  shareInWindow,
} from './recall/associative-recall.ts';
export { type Question, readSquadPredictions, readSquadQuestions } from './squad/questions.ts';
export { type SquadScores, scoreSquad } from './squad/score.ts';
export { type Task, type TaskName, taskNames, tasks } from './tasks.ts';
