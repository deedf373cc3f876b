// linear: output = activation(input · weightᵀ + bias). float32 on the ordinary cores (TF32 would miss its tolerance), half
// precision on tensor cores; both accumulate in float32.
//
// A block makes a tile of ROWS × FEATURES outputs; tiles of a row of tiles are neighbours, so that input stays in L2. Where there
// are few tiles, several blocks share the inner dimension of one (parts.cuh), and merge_linear joins their sums.

#include "activation.cuh"
#include "parts.cuh"
#include "tensor-core.cuh"
#include "vectors.cuh"

/** Where a block's tile begins. */
struct LinearTile {
  int row, feature;

  template <int ROWS, int FEATURES>
  static DEVICE LinearTile of(int out_features) {
    const int across = (out_features + FEATURES - 1) / FEATURES;
    return {int(blockIdx.x) / across * ROWS, int(blockIdx.x) % across * FEATURES};
  }
};

template <typename T>
DEVICE float bias_of(const T* bias, int feature) { return bias ? to_float(bias[feature]) : 0.0f; }

/** From one row of sums in shared memory to the next: two rows of a fragment meet in no bank. */
template <int FEATURES>
constexpr int staged_stride = FEATURES + 8;

/**
 * Stores COUNT rows of sums, of FEATURES each, that lie in shared memory: bias and activation are long, so that they are written
 * out once here and not for each sum that a thread holds. `row_of(i)` is where a row belongs. Of a part the sums are stored as
 * they are, in `partial` [parts, rows, out_features].
 */
template <int COUNT, int FEATURES, int THREADS, typename T, typename RowOf>
DEVICE void store_rows(const float* sums, const T* bias, T* output, float* partial, int first_feature, int rows,
                       int out_features, int activation, const RowOf& row_of) {
#pragma unroll 1
  for (int i = threadIdx.x; i < COUNT * FEATURES; i += THREADS) {
    const int row = row_of(i / FEATURES);
    const int feature = first_feature + i % FEATURES;
    if (row >= rows || feature >= out_features) continue;
    const float sum = sums[i / FEATURES * staged_stride<FEATURES> + i % FEATURES];
    if (gridDim.y > 1) {
      partial[(size_t(blockIdx.y) * rows + row) * out_features + feature] = sum;
    } else {
      output[size_t(row) * out_features + feature] = from_float<T>(activate(sum + bias_of(bias, feature), activation));
    }
  }
}

// ---- float32 ----
// A thread makes OWN_ROWS × OWN_FEATURES outputs, in groups of four that lie apart, so that neighbouring threads read
// neighbouring words. The next slice of DEPTH is loaded into registers while this one is multiplied.

template <int LINES, int OWN, int THREADS, int DEPTH>
struct LinearSlice {
  static constexpr int VECTORS = LINES * DEPTH / 4 / THREADS;
  static constexpr int STRIDE = LINES + 4;
  float4 held[VECTORS];

  /** Lines first … first + LINES of a [lines, inner] matrix, elements depth … depth + DEPTH of each. */
  DEVICE void load(const float* matrix, int first, int lines, int depth, int inner) {
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
      const int at = i * THREADS + threadIdx.x;
      const int line = first + at / (DEPTH / 4);
      const int step = depth + at % (DEPTH / 4) * 4;
      const float* const from = matrix + size_t(line) * inner + step;
      held[i] = zero4();
      if (line >= lines || step >= inner) continue;
      if (inner % 4 == 0) {
        held[i] = load4(from);
      } else {
        held[i].x = from[0];
        if (step + 1 < inner) held[i].y = from[1];
        if (step + 2 < inner) held[i].z = from[2];
        if (step + 3 < inner) held[i].w = from[3];
      }
    }
  }

  /** Depth-major. */
  DEVICE void store(float* shared) const {
#pragma unroll
    for (int i = 0; i < VECTORS; i++) {
      const int at = i * THREADS + threadIdx.x;
      float* const to = shared + at % (DEPTH / 4) * 4 * STRIDE + at / (DEPTH / 4);
      to[0] = held[i].x;
      to[STRIDE] = held[i].y;
      to[2 * STRIDE] = held[i].z;
      to[3 * STRIDE] = held[i].w;
    }
  }

  /** The place of a thread's own line number `own`, of all LINES. */
  static DEVICE int line_of(int thread, int own) { return own / 4 * (LINES / (OWN / 4)) + thread * 4 + own % 4; }

  static DEVICE void read(float (&own)[OWN], const float* shared, int thread, int step) {
#pragma unroll
    for (int group = 0; group < OWN / 4; group++) {
      const float4 four = load4(shared + step * STRIDE + line_of(thread, group * 4));
      own[group * 4] = four.x;
      own[group * 4 + 1] = four.y;
      own[group * 4 + 2] = four.z;
      own[group * 4 + 3] = four.w;
    }
  }
};

template <int ROWS, int FEATURES, int OWN_ROWS, int OWN_FEATURES>
DEVICE void linear_simt(const float* input, const float* weight, const float* bias, float* output, float* partial,
                        int rows, int in_features, int out_features, int activation) {
  constexpr int DEPTH = 16;
  constexpr int ACROSS = FEATURES / OWN_FEATURES;
  constexpr int THREADS = ROWS / OWN_ROWS * ACROSS;
  using Inputs = LinearSlice<ROWS, OWN_ROWS, THREADS, DEPTH>;
  using Weights = LinearSlice<FEATURES, OWN_FEATURES, THREADS, DEPTH>;
  SHARED(float, inputs, 2 * DEPTH * Inputs::STRIDE);
  SHARED(float, weights, 2 * DEPTH * Weights::STRIDE);
  const LinearTile tile = LinearTile::of<ROWS, FEATURES>(out_features);
  const int of_rows = threadIdx.x / ACROSS;
  const int of_features = threadIdx.x % ACROSS;

  Inputs next_inputs;
  Weights next_weights;
  float sums[OWN_ROWS][OWN_FEATURES] = {};
  const Part part = Part::of<DEPTH>(in_features);
  next_inputs.load(input, tile.row, rows, part.begin, in_features);
  next_weights.load(weight, tile.feature, out_features, part.begin, in_features);
  int stage = 0;
  for (int depth = part.begin; depth < part.end; depth += DEPTH) {
    float* const a = inputs + stage * DEPTH * Inputs::STRIDE;
    float* const b = weights + stage * DEPTH * Weights::STRIDE;
    next_inputs.store(a);
    next_weights.store(b);
    // One barrier is enough: who stores into this stage again has passed the next one's.
    __syncthreads();
    if (depth + DEPTH < part.end) {
      next_inputs.load(input, tile.row, rows, depth + DEPTH, in_features);
      next_weights.load(weight, tile.feature, out_features, depth + DEPTH, in_features);
    }
#pragma unroll
    for (int step = 0; step < DEPTH; step++) {
      float own_rows[OWN_ROWS], own_features[OWN_FEATURES];
      Inputs::read(own_rows, a, of_rows, step);
      Weights::read(own_features, b, of_features, step);
#pragma unroll
      for (int i = 0; i < OWN_ROWS; i++) {
#pragma unroll
        for (int j = 0; j < OWN_FEATURES; j++) sums[i][j] += own_rows[i] * own_features[j];
      }
    }
    stage ^= 1;
  }
  static_assert(ROWS / OWN_ROWS * staged_stride<FEATURES> <= 2 * DEPTH * Inputs::STRIDE, "a row of each thread fits where inputs were");
#pragma unroll
  for (int i = 0; i < OWN_ROWS; i++) {
    __syncthreads();
#pragma unroll
    for (int j = 0; j < OWN_FEATURES; j++) {
      inputs[of_rows * staged_stride<FEATURES> + Weights::line_of(of_features, j)] = sums[i][j];
    }
    __syncthreads();
    store_rows<ROWS / OWN_ROWS, FEATURES, THREADS>(inputs, bias, output, partial, tile.feature, rows, out_features,
                                                   activation,
                                                   [&](int of) { return tile.row + Inputs::line_of(of, i); });
  }
}

KERNEL(linear_f32_128x128, 256, (const float* input, const float* weight, const float* bias, float* output,
                                 float* partial, int rows, int in_features, int out_features, int activation)) {
  linear_simt<128, 128, 8, 8>(input, weight, bias, output, partial, rows, in_features, out_features, activation);
}
KERNEL(linear_f32_64x64, 256, (const float* input, const float* weight, const float* bias, float* output,
                               float* partial, int rows, int in_features, int out_features, int activation)) {
  linear_simt<64, 64, 4, 4>(input, weight, bias, output, partial, rows, in_features, out_features, activation);
}

// ---- float16, bfloat16 ----
// A warp makes WARP_ROWS × WARP_FEATURES. STAGES slices of 32 of the inner dimension are on their way at once; a line of a
// slice is four pieces of 16 bytes, exchanged by line, so that neither copies nor fragments meet in a bank.

template <typename T, int ROWS, int FEATURES, int WARP_ROWS, int WARP_FEATURES, int STAGES>
struct LinearTensorCore {
  static constexpr int DEPTH = 32;
  static constexpr int PIECES = DEPTH / 8;
  static constexpr int ACROSS = FEATURES / WARP_FEATURES;
  static constexpr int THREADS = ROWS / WARP_ROWS * ACROSS * 32;
  static constexpr int STAGE = (ROWS + FEATURES) * DEPTH;

  static DEVICE T* piece_of(T* slice, int line, int piece) {
    return slice + line * DEPTH + (piece ^ (line / 2 % PIECES)) * 8;
  }

  template <int LINES>
  static DEVICE void begin_slice(T* slice, const T* matrix, int first, int lines, int depth, int inner) {
    for (int at = threadIdx.x; at < LINES * PIECES; at += THREADS) {
      const int line = at / PIECES;
      const int step = depth + at % PIECES * 8;
      const bool there = first + line < lines && step < inner;
      T* const to = piece_of(slice, line, at % PIECES);
      const T* const from = matrix + size_t(first + line) * inner + step;
      if (inner % 8 == 0) {
        copy16_async(to, there ? from : matrix, there);
      } else {
#pragma unroll
        for (int i = 0; i < 8; i++) to[i] = there && step + i < inner ? from[i] : from_float<T>(0.0f);
      }
    }
  }

  static DEVICE void run(const T* input, const T* weight, const T* bias, T* output, float* partial, int rows,
                         int in_features, int out_features, int activation) {
    DYNAMIC_SHARED(bytes);
    T* const shared = reinterpret_cast<T*>(bytes);
    const LinearTile tile = LinearTile::of<ROWS, FEATURES>(out_features);
    const int lane = threadIdx.x % 32;
    const int warp_row = threadIdx.x / 32 / ACROSS * WARP_ROWS;
    const int warp_feature = threadIdx.x / 32 % ACROSS * WARP_FEATURES;
    const Part part = Part::of<DEPTH>(in_features);
    const int slices = (part.end - part.begin + DEPTH - 1) / DEPTH;
    const auto begin = [&](int number) {
      if (number < slices) {
        T* const slice = shared + number % STAGES * STAGE;
        const int depth = part.begin + number * DEPTH;
        begin_slice<ROWS>(slice, input, tile.row, rows, depth, in_features);
        begin_slice<FEATURES>(slice + ROWS * DEPTH, weight, tile.feature, out_features, depth, in_features);
      }
      copies_commit();
    };

    float sums[WARP_ROWS / 16][WARP_FEATURES / 8][4] = {};
    for (int number = 0; number < STAGES - 1; number++) begin(number);
    for (int number = 0; number < slices; number++) {
      copies_wait<STAGES - 2>();
      __syncthreads();
      begin(number + STAGES - 1);
      T* const inputs = shared + number % STAGES * STAGE;
      T* const weights = inputs + ROWS * DEPTH;
#pragma unroll
      for (int step = 0; step < DEPTH / 16; step++) {
        unsigned a[WARP_ROWS / 16][4], b[WARP_FEATURES / 16][4];
#pragma unroll
        for (int i = 0; i < WARP_ROWS / 16; i++) {
          load_matrices(a[i], piece_of(inputs, warp_row + i * 16 + lane % 16, step * 2 + lane / 16));
        }
#pragma unroll
        for (int j = 0; j < WARP_FEATURES / 16; j++) {
          const int line = warp_feature + j * 16 + lane / 16 * 8 + lane % 8;
          load_matrices(b[j], piece_of(weights, line, step * 2 + lane / 8 % 2));
        }
#pragma unroll
        for (int i = 0; i < WARP_ROWS / 16; i++) {
#pragma unroll
          for (int j = 0; j < WARP_FEATURES / 8; j++) {
            multiply_add<T>(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
          }
        }
      }
    }

    copies_wait<0>();
    // Sixteen rows of each warp at a time.
    constexpr int DOWN = ROWS / WARP_ROWS;
    constexpr int STRIDE = staged_stride<FEATURES>;
    static_assert(DOWN * 16 * STRIDE * 2 <= STAGES * STAGE, "sums fit where slices were");
    float* const staged = reinterpret_cast<float*>(bytes);
#pragma unroll
    for (int i = 0; i < WARP_ROWS / 16; i++) {
      __syncthreads();
#pragma unroll
      for (int j = 0; j < WARP_FEATURES / 8; j++) {
        float* const to = staged + (warp_row / WARP_ROWS * 16 + lane / 4) * STRIDE + warp_feature + j * 8 + lane % 4 * 2;
        *reinterpret_cast<float2*>(to) = make_float2(sums[i][j][0], sums[i][j][1]);
        *reinterpret_cast<float2*>(to + 8 * STRIDE) = make_float2(sums[i][j][2], sums[i][j][3]);
      }
      __syncthreads();
      store_rows<DOWN * 16, FEATURES, THREADS>(
          staged, bias, output, partial, tile.feature, rows, out_features, activation,
          [&](int of) { return tile.row + of / 16 * WARP_ROWS + i * 16 + of % 16; });
    }
  }
};

#define LINEAR(type, suffix)                                                                                         \
  KERNEL(linear_##suffix##_128x128, 256, (const type* input, const type* weight, const type* bias, type* output,     \
                                          float* partial, int rows, int in_features, int out_features,               \
                                          int activation)) {                                                         \
    LinearTensorCore<type, 128, 128, 64, 32, 3>::run(input, weight, bias, output, partial, rows, in_features,        \
                                                     out_features, activation);                                      \
  }                                                                                                                  \
  KERNEL(linear_##suffix##_64x64, 128, (const type* input, const type* weight, const type* bias, type* output,       \
                                        float* partial, int rows, int in_features, int out_features,                 \
                                        int activation)) {                                                           \
    LinearTensorCore<type, 64, 64, 32, 32, 4>::run(input, weight, bias, output, partial, rows, in_features,          \
                                                   out_features, activation);                                        \
  }

LINEAR(float16, f16)
LINEAR(bfloat16, bf16)
#undef LINEAR

// ---- parts ----

/** A thread joins the parts of an output, in their order. */
template <typename T>
DEVICE void merge_linear(const float* partial, const T* bias, T* output, int parts, int outputs, int out_features,
                         int activation) {
  const int index = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (index >= outputs) return;
  float sum = 0.0f;
  for (int part = 0; part < parts; part++) sum += partial[size_t(part) * outputs + index];
  output[index] = from_float<T>(activate(sum + bias_of(bias, index % out_features), activation));
}

#define MERGE_LINEAR(type, suffix)                                                                                     \
  KERNEL(merge_linear_##suffix, 256, (const float* partial, const type* bias, type* output, int parts, int outputs,    \
                                      int out_features, int activation)) {                                             \
    merge_linear(partial, bias, output, parts, outputs, out_features, activation);                                     \
  }

MERGE_LINEAR(float, f32)
MERGE_LINEAR(float16, f16)
MERGE_LINEAR(bfloat16, bf16)
#undef MERGE_LINEAR
