// What JavaScript sees: memory by its address, and an engine for commands. Node-API only, so that one binary serves every
// version of Node from 20 on. Arguments are checked by ../src, which is the only caller.

#define NAPI_VERSION 9
#include <node_api.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "architectures.hpp"
#include "engine.hpp"

namespace flashmla {
namespace {

constexpr size_t alignment = 64;
constexpr size_t hugePage = size_t{2} << 20;

/** The arguments of a call, by kind. */
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) : env_(env) {
    size_t count = most;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }

  napi_value at(int index) const { return values_[index]; }
  double number(int index) const {
    double value = 0;
    napi_get_value_double(env_, values_[index], &value);
    return value;
  }
  int64_t integer(int index) const { return static_cast<int64_t>(number(index)); }
  char* pointer(int index) const { return reinterpret_cast<char*>(static_cast<uintptr_t>(number(index))); }
  /** The elements of a typed array, or null when it is none. */
  void* elements(int index, size_t& byteLength) const {
    byteLength = 0;
    bool isTypedArray = false;
    napi_is_typedarray(env_, values_[index], &isTypedArray);
    if (!isTypedArray) return nullptr;
    napi_typedarray_type type;
    void* data = nullptr;
    size_t length = 0;
    napi_get_typedarray_info(env_, values_[index], &type, &length, &data, nullptr, nullptr);
    byteLength = length * elementBytes(type);
    return data;
  }

 private:
  static size_t elementBytes(napi_typedarray_type type) {
    switch (type) {
      case napi_int8_array:
      case napi_uint8_array:
      case napi_uint8_clamped_array: return 1;
      case napi_int16_array:
      case napi_uint16_array: return 2;
      case napi_int32_array:
      case napi_uint32_array:
      case napi_float32_array: return 4;
      default: return 8;
    }
  }

  static constexpr int most = 8;
  napi_env env_;
  napi_value values_[most] = {};
};

napi_value numberOf(napi_env env, double value) {
  napi_value result;
  napi_create_double(env, value, &result);
  return result;
}

napi_value stringOf(napi_env env, const char* text) {
  napi_value result;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &result);
  return result;
}

/** Has memory that is not there yet come in huge pages, as far as it fills some. */
void preferHugePages([[maybe_unused]] void* memory, [[maybe_unused]] size_t byteLength) {
#if defined(__linux__)
  const uintptr_t from = (reinterpret_cast<uintptr_t>(memory) + hugePage - 1) / hugePage * hugePage;
  const uintptr_t to = (reinterpret_cast<uintptr_t>(memory) + byteLength) / hugePage * hugePage;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

/** allocate(byteLength): the address, or 0 when there is no memory. */
napi_value allocate(napi_env env, napi_callback_info info) {
  const size_t byteLength = static_cast<size_t>(Arguments(env, info).number(0));
  // Whole huge pages for what fills some: fewer misses of the TLB in matrix products.
  const size_t boundary = byteLength >= 2 * hugePage ? hugePage : alignment;
  void* memory = nullptr;
  if (posix_memalign(&memory, boundary, byteLength) != 0) return numberOf(env, 0);
  if (boundary == hugePage) preferHugePages(memory, byteLength);
  return numberOf(env, static_cast<double>(reinterpret_cast<uintptr_t>(memory)));
}

/** free(address) */
napi_value release(napi_env env, napi_callback_info info) {
  std::free(Arguments(env, info).pointer(0));
  return nullptr;
}

/** write(address, elements): copies a typed array to memory. */
napi_value write(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  size_t byteLength;
  const void* from = arguments.elements(1, byteLength);
  if (byteLength > 0) std::memcpy(arguments.pointer(0), from, byteLength);
  return nullptr;
}

/** addressOf(elements): where a typed array's elements are, for commands to fill. */
napi_value addressOf(napi_env env, napi_callback_info info) {
  size_t byteLength;
  void* const elements = Arguments(env, info).elements(0, byteLength);
  // Mostly of a new array, which nobody has touched: page by page it takes longer to appear than to be filled.
  preferHugePages(elements, byteLength);
  return numberOf(env, static_cast<double>(reinterpret_cast<uintptr_t>(elements)));
}

/** An engine, and how its threads call JavaScript. Keeps the process alive only while something is waited for. */
struct OpenEngine {
  const Architecture* architecture;
  napi_threadsafe_function reached;
  std::unique_ptr<Engine> engine;
};

OpenEngine* engineOf(napi_env env, napi_value external) {
  void* data = nullptr;
  napi_get_value_external(env, external, &data);
  return static_cast<OpenEngine*>(data);
}

/** Joins the threads. What is in flight ends, or never begins. */
void closeEngine(OpenEngine& open) {
  if (!open.engine) return;
  open.engine.reset();
  napi_release_threadsafe_function(open.reached, napi_tsfn_abort);
}

/** open(architecture, threads, reached): an engine; `reached` is called when a command that was asked for is done. */
napi_value openEngine(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  napi_threadsafe_function reached;
  napi_create_threadsafe_function(env, arguments.at(2), nullptr, stringOf(env, "flashmla"), 0, 1, nullptr, nullptr, nullptr,
                                  nullptr, &reached);
  napi_unref_threadsafe_function(env, reached);
  auto open = std::make_unique<OpenEngine>();
  open->architecture = &architectures[arguments.integer(0)];
  open->reached = reached;
  open->engine = std::make_unique<Engine>(static_cast<int>(arguments.integer(1)), [reached] {
    napi_call_threadsafe_function(reached, nullptr, napi_tsfn_nonblocking);
  });
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) {
    const std::unique_ptr<OpenEngine> ended(static_cast<OpenEngine*>(data));
    closeEngine(*ended);
  };
  napi_create_external(env, open.release(), finalize, nullptr, &external);
  return external;
}

/** close(engine) */
napi_value close(napi_env env, napi_callback_info info) {
  closeEngine(*engineOf(env, Arguments(env, info).at(0)));
  return nullptr;
}

/** submit(engine, kernel, tasks, words, scratch, scratchStride, skipGroup, times or undefined): the command's number. */
napi_value submit(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const OpenEngine& open = *engineOf(env, arguments.at(0));
  auto command = std::make_unique<Command>();
  command->kernel = open.architecture->kernels[arguments.integer(1)].run;
  command->tasks = arguments.integer(2);
  size_t byteLength;
  const double* words = static_cast<const double*>(arguments.elements(3, byteLength));
  command->words.assign(words, words + byteLength / sizeof(double));
  command->scratch = arguments.pointer(4);
  command->scratchStride = arguments.integer(5);
  command->skipGroup = static_cast<uint32_t>(arguments.integer(6));
  command->times = static_cast<double*>(arguments.elements(7, byteLength));
  return numberOf(env, static_cast<double>(open.engine->submit(std::move(command))));
}

/** completed(engine): commands that are done. */
napi_value completed(napi_env env, napi_callback_info info) {
  return numberOf(env, static_cast<double>(engineOf(env, Arguments(env, info).at(0))->engine->completed()));
}

/** notifyAt(engine, sequence): whether `reached` will be called. */
napi_value notifyAt(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const bool open = engineOf(env, arguments.at(0))->engine->notifyAt(static_cast<uint64_t>(arguments.integer(1)));
  napi_value result;
  napi_get_boolean(env, open, &result);
  return result;
}

/** hold(engine, held): whether the process stays alive for it. */
napi_value hold(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  bool held = false;
  napi_get_value_bool(env, arguments.at(1), &held);
  const napi_threadsafe_function reached = engineOf(env, arguments.at(0))->reached;
  held ? napi_ref_threadsafe_function(env, reached) : napi_unref_threadsafe_function(env, reached);
  return nullptr;
}

/** skip(engine, group): the number of the first command that will not run whole, or 0. */
napi_value skip(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  return numberOf(env, static_cast<double>(
                           engineOf(env, arguments.at(0))->engine->skip(static_cast<uint32_t>(arguments.integer(1)))));
}

/** now(): milliseconds, by the clock that commands are timed with. */
napi_value now(napi_env env, napi_callback_info) { return numberOf(env, nowMs()); }

/** [{ name, supported, lanes, bfloat16Products, int8PerUnit, tiles, kernels: [names] }], the best first. */
napi_value describeArchitectures(napi_env env) {
  napi_value list;
  napi_create_array(env, &list);
  for (int i = 0; i < architectureCount; i++) {
    const Architecture& architecture = architectures[i];
    napi_value entry, supported, bfloat16Products, tiles, kernels;
    napi_create_object(env, &entry);
    napi_get_boolean(env, architecture.supported(), &supported);
    napi_create_array(env, &kernels);
    for (int k = 0; k < *architecture.kernelCount; k++) {
      napi_set_element(env, kernels, static_cast<uint32_t>(k), stringOf(env, architecture.kernels[k].name));
    }
    napi_set_named_property(env, entry, "name", stringOf(env, architecture.name));
    napi_set_named_property(env, entry, "supported", supported);
    napi_get_boolean(env, architecture.traits->bfloat16Products, &bfloat16Products);
    napi_get_boolean(env, architecture.traits->tiles, &tiles);
    napi_set_named_property(env, entry, "tiles", tiles);
    napi_set_named_property(env, entry, "lanes", numberOf(env, architecture.traits->lanes));
    napi_set_named_property(env, entry, "bfloat16Products", bfloat16Products);
    napi_set_named_property(env, entry, "int8PerUnit", numberOf(env, architecture.traits->int8PerUnit));
    napi_set_named_property(env, entry, "kernels", kernels);
    napi_set_element(env, list, static_cast<uint32_t>(i), entry);
  }
  return list;
}

}  // namespace
}  // namespace flashmla

NAPI_MODULE_INIT() {
  using namespace flashmla;
  const struct {
    const char* name;
    napi_callback call;
  } functions[] = {
      {"allocate", allocate}, {"free", release}, {"write", write},         {"addressOf", addressOf},
      {"open", openEngine},   {"close", close},  {"submit", submit},       {"completed", completed},
      {"notifyAt", notifyAt}, {"hold", hold},    {"skip", skip},           {"now", now},
  };
  for (const auto& [name, call] : functions) {
    napi_value function;
    napi_create_function(env, name, NAPI_AUTO_LENGTH, call, nullptr, &function);
    napi_set_named_property(env, exports, name, function);
  }
  napi_set_named_property(env, exports, "architectures", describeArchitectures(env));
  return exports;
}
