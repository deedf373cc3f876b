// @flashmla/train: training through sparse attention.
export {};
