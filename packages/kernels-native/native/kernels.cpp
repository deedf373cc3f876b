// All kernels, compiled once for each instruction set.

#include "kernel-table.hpp"

#include "block-pool.hpp"
#include "content-order.hpp"
#include "dense-attention.hpp"
#include "embedding.hpp"
#include "gate-projection.hpp"
#include "layer-norm.hpp"
#include "linear.hpp"
#include "select-slots.hpp"
#include "select-top-k.hpp"
#include "sparse-lists.hpp"
#include "sparse-tiles.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

#define FLASHMLA_FLOAT(name) {#name "_f32", name<float>}

static const KernelEntry table[] = {
    {"linear_f32", linear},
    {"packWeight_f32", packWeight},
    {"unpackWeight_f32", unpackWeight},
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
};

extern const KernelEntry* const kernels;
const KernelEntry* const kernels = table;
extern const int kernelCount;
const int kernelCount = sizeof table / sizeof table[0];

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
