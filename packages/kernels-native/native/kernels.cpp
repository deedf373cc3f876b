// All kernels, compiled once for each instruction set.

#include "kernel-table.hpp"

#include "activation.hpp"
#include "adam-w.hpp"
#include "add.hpp"
#include "block-pool.hpp"
#include "cast.hpp"
#include "content-order.hpp"
#include "copy.hpp"
#include "cross-entropy.hpp"
#include "dense-attention-gradient.hpp"
#include "dense-attention.hpp"
#include "dropout.hpp"
#include "embedding-gradient.hpp"
#include "embedding.hpp"
#include "gate-projection.hpp"
#include "layer-norm-gradient.hpp"
#include "layer-norm.hpp"
#include "linear-gradient.hpp"
#include "linear.hpp"
#include "select-slots.hpp"
#include "select-top-k.hpp"
#include "sparse-gradient.hpp"
#include "sparse-lists.hpp"
#include "sparse-query-gradients.hpp"
#include "sparse-tiles.hpp"
#include "sum-of-squares.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

#define FLASHMLA_FLOAT(name) {#name "_f32", name<float>}, {#name "_bf16", name<bfloat16>}
/** By what is stored, and what is multiplied. */
#define FLASHMLA_PRODUCT(name)                                                                     \
  {#name "_f32", name<WholeFormat, float>}, {#name "_bf16", name<Bfloat16Format, bfloat16>},       \
      {#name "_f32_int8", name<Int8Format, float>}, {#name "_bf16_int8", name<Int8Format, bfloat16>}
/** To each type. */
#define FLASHMLA_CAST(From, from)                                                          \
  {"cast_" #from "_f32", cast<From, WholeCast>}, {"cast_" #from "_f16", cast<From, Float16Cast>}, \
      {"cast_" #from "_bf16", cast<From, Bfloat16Cast>}

extern const KernelEntry kernels[];
const KernelEntry kernels[] = {
    FLASHMLA_PRODUCT(linear),
    FLASHMLA_PRODUCT(packRows),
    FLASHMLA_PRODUCT(packWeight),
    FLASHMLA_PRODUCT(unpackWeight),
    FLASHMLA_FLOAT(layerNorm),
    FLASHMLA_FLOAT(embedding),
    FLASHMLA_FLOAT(packKeys),
    FLASHMLA_FLOAT(packGroups),
    FLASHMLA_FLOAT(denseAttention),
    FLASHMLA_FLOAT(sparseTiles),
    FLASHMLA_FLOAT(sparseLists),
    FLASHMLA_FLOAT(gateProjection),
    {"contentOrder", contentOrder},
    {"featureBlocks", featureBlocks},
    {"selectTopK", selectTopK},
    FLASHMLA_FLOAT(slotMembers),
    FLASHMLA_FLOAT(slotLists),
    FLASHMLA_FLOAT(blockPool),
    {"linearSlopes", linearSlopes},
    {"packPanels", packPanels},
    {"weightGradient", weightGradient},
    {"layerNormGradient", layerNormGradient},
    {"layerNormSums", layerNormSums},
    {"embeddingGradient", embeddingGradient},
    {"crossEntropy", crossEntropy},
    {"denseGradient", denseGradient},
    {"denseGradientSums", denseGradientSums},
    {"sparseGroupSums", sparseGroupSums},
    {"sparseTileGradient", sparseTileGradient},
    {"sparseListGradient", sparseListGradient},
    {"sparseBlockLists", sparseBlockLists},
    {"sparseGroupGradient", sparseGroupGradient},
    {"sparseKeyGradient", sparseKeyGradient},
    {"activation", activation},
    {"activationGradient", activationGradient},
    {"add", add},
    {"dropout", dropout},
    FLASHMLA_CAST(WholeCast, f32),
    FLASHMLA_CAST(Float16Cast, f16),
    FLASHMLA_CAST(Bfloat16Cast, bf16),
    {"copy", copy},
    {"squarePieces", squarePieces},
    {"squareTotal", squareTotal},
    {"adamW", adamW},
};

extern const int kernelCount;
const int kernelCount = sizeof kernels / sizeof kernels[0];

extern const Traits traits;
const Traits traits = {lanes, FLASHMLA_BFLOAT16_PRODUCTS != 0, Int8::perUnit, hasTiles<bfloat16>};

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
