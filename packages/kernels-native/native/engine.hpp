// Threads that run commands in the order they were submitted. The thread that submits never waits for them.
//
// Commands are a linked list: who submits links a new one to the last, the threads follow the links. They take tasks by
// atomic addition, and nobody begins a command before all are done with the one before, for it may read what that wrote.

#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "kernel-table.hpp"

namespace flashmla {

struct Command {
  Kernel kernel = nullptr;
  int64_t tasks = 0;
  std::vector<double> words;
  char* scratch = nullptr;
  /** Bytes from one thread's scratch to the next. */
  int64_t scratchStride = 0;
  /** Commands of the same number, other than 0, are skipped together. */
  uint32_t skipGroup = 0;
  /** Where given: for each thread, when it began to take tasks and when it found no more, in milliseconds (`nowMs`). */
  double* times = nullptr;

  uint64_t sequence = 0;
  std::atomic<int64_t> nextTask{0};
  std::atomic<int> arrived{0};
  std::atomic<Command*> following{nullptr};
};

/** Milliseconds of a clock that only goes forward. */
double nowMs();

class Engine {
 public:
  /** @param onReached called on one of the threads when a command that was asked for (`notifyAt`) is done */
  Engine(int threads, std::function<void()> onReached);
  /** Leaves no tasks to what has not begun, and waits for the tasks that are running. */
  ~Engine();

  /** From the one thread that submits. Returns the command's number, counted from 1. */
  uint64_t submit(std::unique_ptr<Command> command);
  uint64_t completed() const { return done_.load(std::memory_order_acquire); }
  /** Asks for one call of onReached once command `sequence` is done; false when it is already. Replaces what was asked before. */
  bool notifyAt(uint64_t sequence);
  /** Leaves no more tasks to the commands of a group; returns the first of them that was not done, or 0. */
  uint64_t skip(uint32_t skipGroup);

 private:
  void work(int thread, const Command* at);
  /** Waits for the command after `at`; null when the thread is to stop. */
  Command* waitForNext(const Command* at);
  /** Waits until command `sequence` is done; false when the thread is to stop. */
  bool waitUntilDone(uint64_t sequence);
  template <typename Condition>
  void wait(Condition condition);
  void wake();

  const int threads_;
  const std::function<void()> onReached_;
  /** The oldest command that is kept: nobody looks at those before it. */
  Command* oldest_;
  Command* last_;
  std::atomic<uint64_t> done_{0};
  std::atomic<uint64_t> wanted_{0};
  std::atomic<bool> stop_{false};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wakeUp_;
  std::vector<std::thread> workers_;
};

}  // namespace flashmla
