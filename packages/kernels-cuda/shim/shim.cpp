// Runs kernels on the CPU: the blocks of a launch one after another, a block's threads as fibers that give way at barriers,
// warp by warp. Asynchronous copies are made when they are waited for and not before. Every second block runs its threads from the last to the first, so that a missing barrier shows. Shared
// memory holds NaNs before each block and a guard behind; buffers from flashmla_shim_allocate end where a page without
// access begins, and touching that page, or a null pointer, fails the launch with a message. Not reentrant.

#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>
#if !defined(__x86_64__)
#include <ucontext.h>
#endif

#include "device.hpp"

namespace shim {
namespace {

constexpr std::size_t stack_bytes = 64 * 1024;
constexpr unsigned most_threads = 1024;
constexpr std::size_t guard_bytes = 64;
constexpr unsigned char guard_byte = 0xa5;

const Entry* first_entry = nullptr;
std::string error;

enum class State { ready, at_warp_barrier, at_block_barrier, done };

#if defined(__x86_64__)
struct Context {
  void* stack_pointer;
};
extern "C" void flashmla_shim_switch(Context* from, const Context* to);
// The registers that a call keeps (System V), nothing else: a switch of ucontext costs two system calls.
asm(R"(
.text
.globl flashmla_shim_switch
.hidden flashmla_shim_switch
.type flashmla_shim_switch, @function
flashmla_shim_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");
void switch_to(Context& from, const Context& to) { flashmla_shim_switch(&from, &to); }
void start_at(Context& context, unsigned char* stack, void (*body)()) {
  void** top = reinterpret_cast<void**>(stack + stack_bytes);
  *--top = nullptr;
  *--top = reinterpret_cast<void*>(body);
  for (int saved = 0; saved < 6; saved++) *--top = nullptr;
  context.stack_pointer = top;
}
#else
struct Context {
  ucontext_t registers;
};
void switch_to(Context& from, const Context& to) { swapcontext(&from.registers, &to.registers); }
void start_at(Context& context, unsigned char* stack, void (*body)()) {
  getcontext(&context.registers);
  context.registers.uc_stack.ss_sp = stack;
  context.registers.uc_stack.ss_size = stack_bytes;
  context.registers.uc_link = nullptr;
  makecontext(&context.registers, body, 0);
}
#endif

struct Warp {
  unsigned arrived;
  Shown shown[2][warp_size];
};

struct Copy {
  void* to;
  const void* from;
  unsigned size;
  unsigned group;
};

struct Fiber {
  Context context;
  State state;
  uint3 thread;
  unsigned exchanges;
  std::vector<Copy> copies;
  unsigned copy_groups;
};

Context scheduler;
Fiber fibers[most_threads];
Warp warps[most_threads / warp_size];
Fiber* current;
unsigned threads_of_block;
Invoke kernel;
void** kernel_arguments;
std::vector<unsigned char> shared;
unsigned char* shared_start;
sigjmp_buf fault_return;

unsigned number_of(const Fiber* fiber) { return unsigned(fiber - fibers); }
Warp& warp_of(const Fiber* fiber) { return warps[number_of(fiber) / warp_size]; }

void give_way(State state) {
  current->state = state;
  switch_to(current->context, scheduler);
}

void body() {
  kernel(kernel_arguments);
  give_way(State::done);
}

unsigned char* stacks() {
  static unsigned char* const memory = static_cast<unsigned char*>(
      mmap(nullptr, most_threads * stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  return memory;
}

void run_warp(unsigned first, unsigned end, bool backwards) {
  for (bool moved = true; moved;) {
    moved = false;
    for (unsigned i = first; i < end; i++) {
      Fiber& fiber = fibers[backwards ? end - 1 - (i - first) : i];
      if (fiber.state != State::ready) continue;
      moved = true;
      current = &fiber;
      threadIdx = fiber.thread;
      switch_to(scheduler, fiber.context);
    }
  }
}

/** False when threads wait for ever. */
bool run_block(bool backwards) {
  for (unsigned i = 0; i < threads_of_block; i++) {
    Fiber& fiber = fibers[i];
    fiber.state = State::ready;
    fiber.exchanges = 0;
    fiber.copies.clear();
    fiber.copy_groups = 0;
    fiber.thread = {i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y};
    start_at(fiber.context, stacks() + i * stack_bytes, body);
  }
  const unsigned count = (threads_of_block + warp_size - 1) / warp_size;
  for (unsigned i = 0; i < count; i++) warps[i].arrived = 0;
  for (;;) {
    for (unsigned i = 0; i < count; i++) {
      const unsigned first = (backwards ? count - 1 - i : i) * warp_size;
      run_warp(first, std::min(first + warp_size, threads_of_block), backwards);
    }
    bool done = true;
    for (unsigned i = 0; i < threads_of_block; i++) {
      if (fibers[i].state == State::at_warp_barrier) return false;
      if (fibers[i].state == State::done) continue;
      done = false;
      fibers[i].state = State::ready;
    }
    if (done) return true;
  }
}

const Entry* find(const char* name) {
  const Entry* entry = first_entry;
  while (entry && std::strcmp(entry->name, name) != 0) entry = entry->next;
  return entry;
}

void on_fault(int) { siglongjmp(fault_return, 1); }

std::string place() {
  char text[96];
  std::snprintf(text, sizeof text, "block (%u, %u, %u), thread %u", blockIdx.x, blockIdx.y, blockIdx.z,
                current ? number_of(current) : 0);
  return text;
}

bool run_blocks(const Entry& entry, std::size_t shared_bytes) {
  for (blockIdx.z = 0; blockIdx.z < gridDim.z; blockIdx.z++) {
    for (blockIdx.y = 0; blockIdx.y < gridDim.y; blockIdx.y++) {
      for (blockIdx.x = 0; blockIdx.x < gridDim.x; blockIdx.x++) {
        std::memset(shared_start, 0xff, shared_bytes);
        std::memset(shared_start + shared_bytes, guard_byte, guard_bytes);
        if (!run_block((blockIdx.x + blockIdx.y + blockIdx.z) % 2 == 1)) {
          error = std::string(entry.name) + ": lanes wait for others of their warp that do not come; " + place();
          return false;
        }
        for (std::size_t i = 0; i < guard_bytes; i++) {
          if (shared_start[shared_bytes + i] == guard_byte) continue;
          error = std::string(entry.name) + ": wrote past its dynamic shared memory; " + place();
          return false;
        }
      }
    }
  }
  return true;
}

/** As run_blocks, and a fault is an error. */
bool run_caught(const Entry& entry, std::size_t shared_bytes) {
  struct sigaction catching = {};
  struct sigaction before_segv, before_bus;
  catching.sa_handler = on_fault;
  catching.sa_flags = SA_NODEFER;
  sigaction(SIGSEGV, &catching, &before_segv);
  sigaction(SIGBUS, &catching, &before_bus);
  volatile bool right = false;
  if (sigsetjmp(fault_return, 1) == 0) {
    right = run_blocks(entry, shared_bytes);
  } else {
    error = std::string(entry.name) + ": read or wrote outside of a buffer; " + place();
  }
  sigaction(SIGSEGV, &before_segv, nullptr);
  sigaction(SIGBUS, &before_bus, nullptr);
  return right;
}

}  // namespace

Entry::Entry(const char* name, unsigned threads, const char* signature, Invoke invoke)
    : name(name), threads(threads), signature(signature), invoke(invoke), next(first_entry) {
  first_entry = this;
}

void block_barrier() { give_way(State::at_block_barrier); }

void warp_barrier() {
  Warp& warp = warp_of(current);
  const unsigned first = number_of(current) / warp_size * warp_size;
  const unsigned lanes = std::min<unsigned>(warp_size, threads_of_block - first);
  if (++warp.arrived < lanes) return give_way(State::at_warp_barrier);
  warp.arrived = 0;
  for (unsigned i = first; i < first + lanes; i++) fibers[i].state = State::ready;
}

const Shown* exchange(const void* mine, std::size_t size) {
  Shown* const shown = warp_of(current).shown[current->exchanges++ % 2];
  std::memcpy(&shown[number_of(current) % warp_size], mine, size);
  warp_barrier();
  return shown;
}

unsigned char* dynamic_shared() { return shared_start; }

void copy_later(void* to, const void* from, unsigned size) {
  current->copies.push_back({to, from, size, current->copy_groups});
}

void end_copies() { current->copy_groups++; }

void make_copies(unsigned pending) {
  std::vector<Copy>& copies = current->copies;
  std::size_t made = 0;
  for (; made < copies.size() && copies[made].group + pending < current->copy_groups; made++) {
    const Copy& copy = copies[made];
    if (copy.from) std::memcpy(copy.to, copy.from, copy.size);
    else std::memset(copy.to, 0, copy.size);
  }
  copies.erase(copies.begin(), copies.begin() + made);
}

}  // namespace shim

extern "C" {

/** What went wrong in the last call that failed. */
const char* flashmla_shim_error() { return shim::error.c_str(); }

/** All entry points, a line each: name, most threads, signature. */
const char* flashmla_shim_kernels() {
  static std::string text;
  text.clear();
  for (const shim::Entry* entry = shim::first_entry; entry; entry = entry->next) {
    text += std::string(entry->name) + ' ' + std::to_string(entry->threads) + ' ' + entry->signature + '\n';
  }
  return text.c_str();
}

/** 0, or not 0 and flashmla_shim_error() says why. `arguments` point to what is handed in, as cuLaunchKernel's do. */
int flashmla_shim_launch(const char* name, const unsigned* grid, const unsigned* block, unsigned shared_bytes,
                         void** arguments) {
  using namespace shim;
  const Entry* const entry = find(name);
  if (!entry) {
    error = std::string("there is no kernel ") + name;
    return 1;
  }
  threads_of_block = block[0] * block[1] * block[2];
  if (threads_of_block == 0 || threads_of_block > entry->threads || threads_of_block > most_threads) {
    error = std::string(name) + ": a block of " + std::to_string(threads_of_block) + " threads, built for " +
            std::to_string(entry->threads);
    return 1;
  }
  if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || grid[1] > 65535 || grid[2] > 65535) {
    error = std::string(name) + ": a grid that no device takes";
    return 1;
  }
  gridDim = {grid[0], grid[1], grid[2]};
  blockDim = {block[0], block[1], block[2]};
  kernel = entry->invoke;
  kernel_arguments = arguments;
  current = nullptr;
  if (shared.size() < shared_bytes + guard_bytes + 16) shared.resize(shared_bytes + guard_bytes + 16);
  shared_start = shared.data() + (16 - reinterpret_cast<std::uintptr_t>(shared.data()) % 16) % 16;

  return run_caught(*entry, shared_bytes) ? 0 : 1;
}

/** Device memory: 16-byte aligned, its end (up to 15 bytes) before a page that can't be touched. Null when there is none. */
void* flashmla_shim_allocate(std::size_t bytes) {
  const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));
  const std::size_t used = (bytes + 15) / 16 * 16;
  const std::size_t held = (used + page - 1) / page * page;
  void* const memory = mmap(nullptr, held + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return nullptr;
  unsigned char* const start = static_cast<unsigned char*>(memory);
  mprotect(start + held, page, PROT_NONE);
  return start + held - used;
}

void flashmla_shim_free(void* memory, std::size_t bytes) {
  const std::size_t page = std::size_t(sysconf(_SC_PAGESIZE));
  const std::size_t used = (bytes + 15) / 16 * 16;
  const std::size_t held = (used + page - 1) / page * page;
  munmap(static_cast<unsigned char*>(memory) + used - held, held + page);
}

void flashmla_shim_copy(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }

}  // extern "C"
