#include "engine.hpp"

#include <chrono>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace flashmla {

namespace {

/** More than any command has tasks. */
constexpr int64_t noMoreTasks = int64_t{1} << 40;
/** Looks before a thread goes to sleep: some tens of microseconds; sleeping and waking costs more than that. */
constexpr int spins = 1000;

inline void pauseThread() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

double nowMs() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

Engine::Engine(int threads, std::function<void()> onReached)
    : threads_(threads), onReached_(std::move(onReached)), oldest_(new Command()), last_(oldest_) {
  for (int thread = 0; thread < threads; thread++) workers_.emplace_back([this, thread, first = oldest_] { work(thread, first); });
}

Engine::~Engine() {
  stop_ = true;
  for (Command* each = oldest_; each; each = each->following) each->nextTask = noMoreTasks;
  wake();
  for (std::thread& worker : workers_) worker.join();
  while (oldest_) delete std::exchange(oldest_, oldest_->following.load());
}

uint64_t Engine::submit(std::unique_ptr<Command> command) {
  // All threads have left a command behind once one after it is done.
  const uint64_t completed = done_.load(std::memory_order_acquire);
  while (oldest_->sequence + 1 <= completed && oldest_ != last_) delete std::exchange(oldest_, oldest_->following.load());
  Command* const added = command.release();
  added->sequence = last_->sequence + 1;
  Command* const before = std::exchange(last_, added);
  before->following.store(added);
  if (sleepers_ > 0) wake();
  return added->sequence;
}

bool Engine::notifyAt(uint64_t sequence) {
  wanted_ = sequence;
  if (done_ < sequence) return true;
  // It was done before the wish could be seen, or the wish was seen and onReached is called: either way nothing is open.
  uint64_t wish = sequence;
  return !wanted_.compare_exchange_strong(wish, 0);
}

uint64_t Engine::skip(uint32_t skipGroup) {
  uint64_t first = 0;
  const uint64_t completed = done_;
  for (Command* each = oldest_; each; each = each->following) {
    if (each->skipGroup != skipGroup || each->sequence <= completed) continue;
    each->nextTask = noMoreTasks;
    if (first == 0) first = each->sequence;
  }
  return first;
}

void Engine::work(int thread, const Command* at) {
  while (Command* const command = waitForNext(at)) {
    if (command->times) command->times[2 * thread] = nowMs();
    char* const scratch = command->scratch + thread * command->scratchStride;
    for (int64_t task; (task = command->nextTask.fetch_add(1)) < command->tasks;) {
      command->kernel(command->words.data(), task, scratch);
    }
    if (command->times) command->times[2 * thread + 1] = nowMs();
    at = command;
    // The command may be deleted as soon as the next one is done, which takes every thread: not before this one is through.
    const uint64_t sequence = command->sequence;
    if (command->arrived.fetch_add(1) + 1 < threads_) {
      if (!waitUntilDone(sequence)) return;
      continue;
    }
    done_ = sequence;
    if (sleepers_ > 0) wake();
    uint64_t wish = wanted_;
    if (wish != 0 && sequence >= wish && wanted_.compare_exchange_strong(wish, 0)) onReached_();
  }
}

Command* Engine::waitForNext(const Command* at) {
  Command* next = nullptr;
  wait([&] { return (next = at->following.load()) != nullptr || stop_; });
  return stop_ ? nullptr : next;
}

bool Engine::waitUntilDone(uint64_t sequence) {
  wait([&] { return done_ >= sequence || stop_; });
  return !stop_;
}

template <typename Condition>
void Engine::wait(Condition condition) {
  for (int spin = 0; spin < spins; spin++) {
    if (condition()) return;
    pauseThread();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  // Counted before the condition is looked at again: who changes it looks at the count afterwards.
  sleepers_++;
  wakeUp_.wait(lock, condition);
  sleepers_--;
}

void Engine::wake() {
  // Nobody is between looking and sleeping while the lock is held.
  { const std::lock_guard<std::mutex> lock(mutex_); }
  wakeUp_.notify_all();
}

}  // namespace flashmla
