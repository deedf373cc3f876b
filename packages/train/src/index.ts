// @flashmla/train: training through sparse attention. Encoders, their heads and their gates.

export type { AdamWOptions } from './adam-w.ts';
export { checkTrains, trainingProblems } from './backend-check.ts';
export type { Example } from './example.ts';
export type { Head } from './heads/head.ts';
export { type MaskedLanguageModelOptions, maskedLanguageModel } from './heads/masked-language-model.ts';
export { sequenceClassification } from './heads/sequence-classification.ts';
export { tokenClassification } from './heads/token-classification.ts';
export { TrainableModel, type TrainableModelOptions } from './model.ts';
export type { Parameter } from './parameter.ts';
export type { SparseTrainingOptions, TrainedGate } from './sparse-training.ts';
export { type TrainReport, train } from './train.ts';
export { checkTrainOptions, type EpochReport, type TrainOptions, type TrainProgress } from './train-options.ts';
export { type StepReport, Trainer, type TrainerOptions } from './trainer.ts';
export type { Measures } from './validation.ts';
export {
  type TrainedWordPiece,
  trainWordPiece,
  type WordPieceOptions,
  type WordPieceProgress,
} from './word-piece/train-word-piece.ts';
