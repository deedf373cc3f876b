// What ops on flat tensors share: a task is a piece of taskElements elements.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

constexpr int64_t taskElements = 16384;

/** Calls `body(read, write)` for each vector of a task's piece; they take tensors from their first element on. */
template <typename Body>
FLASHMLA_INLINE void eachElementVector(int64_t elements, int64_t task, Body body) {
  const int64_t first = task * taskElements;
  eachRowVector(least(taskElements, elements - first), [&](auto read, auto write) {
    body([&](const auto* tensor) { return read(tensor + first); }, [&](auto* tensor, f32v v) { write(tensor + first, v); });
  });
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
