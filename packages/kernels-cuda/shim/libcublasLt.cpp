// libcublasLt in software: what src/cublas.ts calls of cuBLASLt, with the exported names and signatures of cublasLt.h, as that
// describes them: column-major matrices, epilogues along the rows of D, everything accumulated in float32. What this package
// does not ask for is not supported, and neither are products of more than a few million multiply-adds' worth of time.

#include "device.hpp"

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

int flashmla_software_put(void* stream, const std::function<int()>& work);

namespace {

enum Status { success = 0, invalid_value = 7, execution_failed = 13, not_supported = 15 };
enum Type { f32 = 0, f16 = 2, bf16 = 14 };
enum Epilogue { none = 1, relu = 2, bias = 4, gelu = 32 };
constexpr int compute_32f = 68;

struct Operation {
  int transpose_a = 0, transpose_b = 0, epilogue = none;
  std::uint64_t bias = 0;
};

struct Layout {
  int type;
  std::uint64_t rows, columns;
  std::int64_t leading;
};

struct Heuristic {
  std::uint64_t algorithm[8];
  std::size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};

/** What an algorithm of this library begins with. */
constexpr std::uint64_t mark = 0x666c6173686d6c61;

float load(int type, std::uint64_t address, std::uint64_t at) {
  switch (type) {
    case f16: return to_float(reinterpret_cast<const float16*>(address)[at]);
    case bf16: return to_float(reinterpret_cast<const bfloat16*>(address)[at]);
    default: return reinterpret_cast<const float*>(address)[at];
  }
}

void store(int type, std::uint64_t address, std::uint64_t at, float value) {
  switch (type) {
    case f16: reinterpret_cast<float16*>(address)[at] = from_float<float16>(value); break;
    case bf16: reinterpret_cast<bfloat16*>(address)[at] = from_float<bfloat16>(value); break;
    default: reinterpret_cast<float*>(address)[at] = value;
  }
}

float finish(float x, int epilogue) {
  if (epilogue & relu) return std::fmax(x, 0.0f);
  if (epilogue & gelu) return 0.5f * x * (1.0f + std::tanh(0.7978845608028654f * (x + 0.044715f * x * x * x)));
  return x;
}

/** D [m, n] = epilogue(A [k, m]ᵀ · B [k, n]) */
bool fits(const Operation& operation, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  return operation.transpose_a == 1 && operation.transpose_b == 0 && a.rows == b.rows && a.columns == d.rows &&
         b.columns == d.columns && std::memcmp(&c, &d, sizeof d) == 0 && a.type == d.type && b.type == d.type;
}

int multiply(const Operation& operation, std::uint64_t a, const Layout& of_a, std::uint64_t b, const Layout& of_b,
             std::uint64_t d, const Layout& of_d) {
  for (std::uint64_t column = 0; column < of_d.columns; column++) {
    for (std::uint64_t row = 0; row < of_d.rows; row++) {
      float sum = 0.0f;
      for (std::uint64_t i = 0; i < of_a.rows; i++) {
        sum += load(of_a.type, a, row * of_a.leading + i) * load(of_b.type, b, column * of_b.leading + i);
      }
      if (operation.epilogue & bias) sum += load(of_d.type, operation.bias, row);
      store(of_d.type, d, column * of_d.leading + row, finish(sum, operation.epilogue));
    }
  }
  return success;
}

}  // namespace

extern "C" {

const char* cublasLtGetStatusName(int status) {
  return status == not_supported ? "CUBLAS_STATUS_NOT_SUPPORTED" : "CUBLAS_STATUS_INVALID_VALUE";
}
std::size_t cublasLtGetVersion() { return 130000; }

int cublasLtCreate(void** handle) { return *handle = new int(0), success; }
int cublasLtDestroy(void* handle) { return delete static_cast<int*>(handle), success; }

int cublasLtMatmulDescCreate(Operation** made, int compute_type, int scale_type) {
  if (compute_type != compute_32f || scale_type != f32) return not_supported;
  return *made = new Operation, success;
}
int cublasLtMatmulDescSetAttribute(Operation* operation, int attribute, const void* value, std::size_t bytes) {
  const auto set = [&](auto& member) {
    if (bytes != sizeof member) return int(invalid_value);
    return std::memcpy(&member, value, bytes), int(success);
  };
  switch (attribute) {
    case 3: return set(operation->transpose_a);
    case 4: return set(operation->transpose_b);
    case 7: return set(operation->epilogue);
    case 8: return set(operation->bias);
    default: return invalid_value;
  }
}
int cublasLtMatmulDescDestroy(Operation* operation) { return delete operation, success; }

int cublasLtMatrixLayoutCreate(Layout** made, int type, std::uint64_t rows, std::uint64_t columns, std::int64_t leading) {
  if (rows == 0 || columns == 0 || leading < std::int64_t(rows)) return invalid_value;
  return *made = new Layout{type, rows, columns, leading}, success;
}
int cublasLtMatrixLayoutDestroy(Layout* layout) { return delete layout, success; }

int cublasLtMatmulPreferenceCreate(std::uint64_t** made) { return *made = new std::uint64_t(0), success; }
int cublasLtMatmulPreferenceSetAttribute(std::uint64_t* preference, int attribute, const void* value, std::size_t bytes) {
  if (attribute != 1 || bytes != sizeof *preference) return invalid_value;
  return std::memcpy(preference, value, bytes), success;
}
int cublasLtMatmulPreferenceDestroy(std::uint64_t* preference) { return delete preference, success; }

int cublasLtMatmulAlgoGetHeuristic(void*, const Operation* operation, const Layout* a, const Layout* b, const Layout* c,
                                   const Layout* d, const std::uint64_t* preference, int wanted, Heuristic* results,
                                   int* found) {
  if (wanted < 1 || !fits(*operation, *a, *b, *c, *d)) return invalid_value;
  // As on a GPU, whose tensor cores take no rows of an odd number of elements.
  if (d->type != f32 && (a->rows % 2 != 0 || d->rows % 2 != 0)) return not_supported;
  *results = {{mark}, std::size_t(*preference), success, 1.0f, {}};
  return *found = 1, success;
}

int cublasLtMatmul(void*, const Operation* operation, const float* alpha, std::uint64_t a, const Layout* of_a, std::uint64_t b,
                   const Layout* of_b, const float* beta, std::uint64_t c, const Layout* of_c, std::uint64_t d,
                   const Layout* of_d, const std::uint64_t* algorithm, void* workspace, std::size_t workspace_bytes,
                   void* stream) {
  if (*alpha != 1.0f || *beta != 0.0f || c != d || algorithm[0] != mark || !fits(*operation, *of_a, *of_b, *of_c, *of_d)) {
    return invalid_value;
  }
  if (workspace_bytes > 0 && reinterpret_cast<std::uint64_t>(workspace) % 256 != 0) return invalid_value;
  // Descriptors may be gone or changed when a graph is launched: what they hold is taken now.
  const int put = flashmla_software_put(
      stream, [=, operation = *operation, of_a = *of_a, of_b = *of_b, of_d = *of_d] {
        return multiply(operation, a, of_a, b, of_b, d, of_d);
      });
  return put == 0 ? int(success) : int(execution_failed);
}
}
