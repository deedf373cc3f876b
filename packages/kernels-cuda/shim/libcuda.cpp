// libcuda in software: what src/driver.ts calls of the CUDA driver, with the exported names and signatures of cuda.h, over
// the shim. The backend runs on it as on a GPU, through koffi, with nothing of it replaced. Everything is done when it is
// called, but an event is told to be done only when it is asked for a second time: whoever does not wait is found out.

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

extern "C" {
int flashmla_shim_launch(const char* kernel, const unsigned grid[3], const unsigned block[3], unsigned shared_bytes,
                         void** arguments);
const char* flashmla_shim_kernels();
void* flashmla_shim_allocate(std::size_t bytes);
void flashmla_shim_free(void* memory, std::size_t bytes);
}

namespace {

enum Result {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  invalid_context = 201,
  invalid_handle = 400,
  not_found = 500,
  not_ready = 600,
  launch_failed = 719
};

struct Function {
  std::string name;
  unsigned arguments;
  unsigned allowed_shared = 48 * 1024;
};

struct Launch {
  Function* function;
  unsigned grid[3], block[3], shared_bytes;
  std::vector<std::uint64_t> values;
};

/** What is put on a stream. */
using Work = std::function<int()>;

struct Stream {
  bool capturing = false;
  std::vector<Work> captured;
};

struct Event {
  bool told = true;
};

using Graph = std::vector<Work>;

constexpr std::size_t memory_bytes = std::size_t(2) << 30;
constexpr unsigned most_shared = 227 * 1024;
const int context = 0;

std::map<std::string, Function> functions;
std::map<std::uint64_t, std::size_t> allocations;
std::size_t used_bytes = 0;
int contexts = 0;
int depth = 0;
/** A kernel that failed ends the context. */
int broken = success;

int check() { return depth == 0 ? int(invalid_context) : broken; }

int run(const Launch& launch) {
  std::vector<std::uint64_t> values = launch.values;
  std::vector<void*> arguments;
  for (std::uint64_t& value : values) arguments.push_back(&value);
  const int status = flashmla_shim_launch(launch.function->name.c_str(), launch.grid, launch.block, launch.shared_bytes,
                                          arguments.data());
  return status == 0 ? int(success) : broken = launch_failed;
}

/** The kernels that the shim has, and how many arguments each takes. */
void find_functions() {
  std::istringstream lines(flashmla_shim_kernels());
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name, threads, signature;
    words >> name >> threads >> signature;
    functions[name] = {name, unsigned(signature.size())};
  }
}

}  // namespace

/** Does work, or where the stream captures, keeps it for the graph; for libcublasLt.cpp, too. */
int flashmla_software_put(void* stream, const std::function<int()>& work) {
  if (check() != success) return check();
  Stream* const to = static_cast<Stream*>(stream);
  if (!to->capturing) return work();
  return to->captured.push_back(work), success;
}

extern "C" {

int cuInit(unsigned) { return success; }
int cuDriverGetVersion(int* version) { return *version = 13000, success; }
int cuGetErrorName(int result, const char** name) {
  static const std::map<int, const char*> names = {{1, "CUDA_ERROR_INVALID_VALUE"},    {2, "CUDA_ERROR_OUT_OF_MEMORY"},
                                                   {201, "CUDA_ERROR_INVALID_CONTEXT"}, {400, "CUDA_ERROR_INVALID_HANDLE"},
                                                   {500, "CUDA_ERROR_NOT_FOUND"},       {719, "CUDA_ERROR_LAUNCH_FAILED"}};
  const auto found = names.find(result);
  if (found == names.end()) return invalid_value;
  *name = found->second;
  return success;
}

int cuDeviceGetCount(int* count) { return *count = 1, success; }
int cuDeviceGet(int* device, int ordinal) { return *device = ordinal, ordinal == 0 ? success : invalid_value; }
int cuDeviceGetName(char* name, int length, int) { return std::strncpy(name, "CPU", std::size_t(length)), success; }
int cuDeviceGetAttribute(int* value, int attribute, int) {
  static const std::map<int, int> values = {{16, 132}, {18, 1}, {75, 9}, {76, 0}, {97, int(most_shared)}};
  const auto found = values.find(attribute);
  if (found == values.end()) return invalid_value;
  *value = found->second;
  return success;
}
int cuDeviceTotalMem_v2(std::size_t* bytes, int) { return *bytes = memory_bytes, success; }
int cuDeviceGetUuid_v2(unsigned char* uuid, int) { return std::memset(uuid, 0x11, 16), success; }
int cuDeviceGetPCIBusId(char* id, int length, int) { return std::strncpy(id, "0000:00:00.0", std::size_t(length)), success; }

int cuDevicePrimaryCtxRetain(const void** made, int) { return contexts++, *made = &context, success; }
int cuDevicePrimaryCtxRelease_v2(int) { return contexts-- > 0 ? success : invalid_context; }
int cuCtxPushCurrent_v2(const void* pushed) {
  if (pushed != &context || contexts < 1) return invalid_context;
  return depth++, success;
}
int cuCtxPopCurrent_v2(const void** popped) {
  if (depth < 1) return invalid_context;
  return depth--, *popped = &context, success;
}

int cuStreamCreate(Stream** stream, unsigned flags) {
  if (flags != 1) return invalid_value;
  return *stream = new Stream, check();
}
int cuStreamSynchronize(Stream*) { return check(); }
int cuStreamDestroy_v2(Stream* stream) { return delete stream, success; }

int cuEventCreate(Event** event, unsigned) { return *event = new Event, check(); }
int cuEventRecord(Event* event, Stream* stream) {
  if (stream->capturing) return invalid_value;
  return event->told = false, check();
}
int cuEventQuery(Event* event) {
  if (check() != success) return check();
  const bool told = event->told;
  event->told = true;
  return told ? success : not_ready;
}
int cuEventElapsedTime(float* milliseconds, Event*, Event*) { return *milliseconds = 0.25f, check(); }
int cuEventDestroy_v2(Event* event) { return delete event, success; }

int cuMemAlloc_v2(std::uint64_t* address, std::size_t bytes) {
  if (check() != success) return check();
  if (used_bytes + bytes > memory_bytes) return out_of_memory;
  void* const memory = flashmla_shim_allocate(bytes);
  if (memory == nullptr) return out_of_memory;
  // NaN, whatever the type: who reads what nothing wrote is found out.
  std::memset(memory, 0xff, bytes);
  *address = reinterpret_cast<std::uint64_t>(memory);
  allocations[*address] = bytes;
  used_bytes += bytes;
  return success;
}
int cuMemFree_v2(std::uint64_t address) {
  const auto found = allocations.find(address);
  if (found == allocations.end()) return invalid_value;
  used_bytes -= found->second;
  flashmla_shim_free(reinterpret_cast<void*>(address), found->second);
  allocations.erase(found);
  return success;
}
int cuMemHostAlloc(void** pointer, std::size_t bytes, unsigned) { return *pointer = std::malloc(bytes), check(); }
int cuMemFreeHost(void* pointer) { return std::free(pointer), success; }
int cuMemcpyHtoDAsync_v2(std::uint64_t to, const void* from, std::size_t bytes, Stream* stream) {
  if (stream->capturing) return invalid_value;
  return std::memcpy(reinterpret_cast<void*>(to), from, bytes), check();
}
int cuMemcpyDtoHAsync_v2(void* to, std::uint64_t from, std::size_t bytes, Stream* stream) {
  if (stream->capturing) return invalid_value;
  return std::memcpy(to, reinterpret_cast<void*>(from), bytes), check();
}

int cuModuleLoadData(const void** module, const void* image) {
  if (image == nullptr) return invalid_value;
  find_functions();
  return *module = &functions, check();
}
int cuModuleGetFunction(Function** function, const void* module, const char* name) {
  const auto found = functions.find(name);
  if (module != &functions || found == functions.end()) return not_found;
  return *function = &found->second, check();
}
int cuModuleUnload(const void* module) { return module == &functions ? success : invalid_handle; }
int cuFuncSetAttribute(Function* function, int attribute, int value) {
  if (attribute != 8 || value < 0 || unsigned(value) > most_shared) return invalid_value;
  return function->allowed_shared = unsigned(value), check();
}

int cuLaunchKernel(Function* function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,
                   unsigned block_z, unsigned shared_bytes, Stream* stream, void** params, void** extra) {
  if (check() != success) return check();
  if (extra != nullptr || shared_bytes > function->allowed_shared || grid_x * grid_y * grid_z == 0) return invalid_value;
  Launch launch = {function, {grid_x, grid_y, grid_z}, {block_x, block_y, block_z}, shared_bytes, {}};
  for (unsigned i = 0; i < function->arguments; i++) {
    std::uint64_t value;
    std::memcpy(&value, params[i], sizeof value);
    launch.values.push_back(value);
  }
  return flashmla_software_put(stream, [launch] { return run(launch); });
}

int cuStreamBeginCapture_v2(Stream* stream, int) {
  if (stream->capturing) return invalid_value;
  return stream->capturing = true, check();
}
int cuStreamEndCapture(Stream* stream, Graph** graph) {
  if (!stream->capturing) return invalid_value;
  stream->capturing = false;
  *graph = new Graph(std::move(stream->captured));
  stream->captured.clear();
  return check();
}
int cuGraphInstantiateWithFlags(Graph** exec, const Graph* graph, unsigned long long flags) {
  if (flags != 0) return invalid_value;
  return *exec = new Graph(*graph), check();
}
int cuGraphLaunch(const Graph* exec, Stream*) {
  for (const Work& work : *exec) {
    if (check() != success) return check();
    work();
  }
  return check();
}
int cuGraphDestroy(Graph* graph) { return delete graph, success; }
int cuGraphExecDestroy(Graph* exec) { return delete exec, success; }
}
