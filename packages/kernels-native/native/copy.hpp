// copy: bytes from one place to another.

#pragma once

#include "words.hpp"

namespace flashmla {
namespace FLASHMLA_ARCHITECTURE {

/** A task is a page of the destination, so that no two threads wait for one page to appear. words: input, output, bytes, page */
void copy(const double* arguments, int64_t task, char*) {
  Words words(arguments);
  const char* input = words.pointer<const char>();
  char* output = words.pointer<char>();
  const int64_t bytes = words.integer();
  const int64_t page = words.integer();
  const int64_t before = static_cast<int64_t>(reinterpret_cast<uintptr_t>(output)) % page;
  const int64_t from = most<int64_t>(task * page - before, 0);
  const int64_t to = least((task + 1) * page - before, bytes);
  memcpy(output + from, input + from, static_cast<size_t>(to - from));
}

}  // namespace FLASHMLA_ARCHITECTURE
}  // namespace flashmla
