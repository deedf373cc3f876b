// The kernels, each called as kernel(args, task, scratch) for every task of a step; see ../src/program.ts.

export { activation, activationGradient } from './activation';
export { adamW } from './adam-w';
export { add } from './add';
export { packGroups, packKeys } from './attention';
export { blockPool } from './block-pool';
export { cast } from './cast';
export { contentOrder } from './content-order';
export { crossEntropy } from './cross-entropy';
export { denseAttention } from './dense-attention';
export { denseGradientKeys, denseGradientQueries } from './dense-attention-gradient';
export { dropout } from './dropout';
export { embeddingGradient } from './embedding-gradient';
export { embedding } from './embedding';
export { gateProjection } from './gate-projection';
export { layerNorm } from './layer-norm';
export { layerNormGradient, layerNormSums } from './layer-norm-gradient';
export { linear, packWeight } from './linear';
export { linearInt8, quantizeRows, quantizeWeight } from './linear-int8';
export { packPanels, rowSums, transpose } from './linear-gradient';
export { slotLists, slotMembers } from './select-slots';
export { featureBlocks, selectTopK } from './select-top-k';
export {
  sparseGradientGroups,
  sparseGradientLists,
  sparseGradientPanels,
  sparseGradientSums,
} from './sparse-attention-gradient';
export { sparseGradientRowKeys, sparseGradientRows } from './sparse-gradient-rows';
export { sparseGradientTileKeys, sparseGradientTiles } from './sparse-gradient-tiles';
export { sparseLists } from './sparse-lists';
export { sparseTiles } from './sparse-tiles';
export { squarePieces, squareTotal } from './sum-of-squares';
