// @flashmla/train: training through sparse attention.

export {
  type TrainedWordPiece,
  trainWordPiece,
  type WordPieceOptions,
  type WordPieceProgress,
} from './word-piece/train-word-piece.ts';
