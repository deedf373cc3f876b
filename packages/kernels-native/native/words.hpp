// How a kernel reads its arguments: float64 words, one after the other, in the order of the plan (../src/kernels/). A
// float64 holds every address, every count and every float32 exactly.

#pragma once

#include "simd.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

class Words {
 public:
  explicit Words(const double* words) : at_(words) {}

  /** Of a tensor or buffer; null where it is not bound. */
  template <typename T>
  FLASHMLA_INLINE T* pointer() {
    return reinterpret_cast<T*>(static_cast<uintptr_t>(*at_++));
  }
  FLASHMLA_INLINE int64_t integer() { return static_cast<int64_t>(*at_++); }
  /** As many integers as there are variables. */
  template <typename... Integers>
  FLASHMLA_INLINE void integers(Integers&... to) {
    ((to = integer()), ...);
  }
  FLASHMLA_INLINE float number() { return static_cast<float>(*at_++); }
  /** The words that have not been read yet. */
  FLASHMLA_INLINE const double* rest() const { return at_; }

 private:
  const double* at_;
};

/** The memory of a thread's own, handed out piece by piece, each on a 64-byte boundary. */
class Scratch {
 public:
  explicit Scratch(char* scratch) : at_(scratch) {}

  template <typename T>
  FLASHMLA_INLINE T* take(int64_t count) {
    T* piece = reinterpret_cast<T*>(at_);
    at_ += roundUp(count * static_cast<int64_t>(sizeof(T)), 64);
    return piece;
  }

 private:
  char* at_;
};

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
