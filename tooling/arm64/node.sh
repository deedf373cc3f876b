#!/bin/sh
# The Node of arm64 that run.mjs was given, under QEMU, as one program: vitest forks its workers from one.
exec qemu-aarch64 "$FLASHMLA_ARM64_NODE" "$@"
