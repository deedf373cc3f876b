// Long arithmetic on the event loop's thread, in slices that leave it room.

const sliceMs = 5;

/** A function to await between steps: it lets the event loop run when the last slice took long, and stops on abort. */
export function breather(signal?: AbortSignal): () => Promise<void> {
  let sliceStart = performance.now();
  return async () => {
    if (performance.now() - sliceStart >= sliceMs) {
      await new Promise<void>((resolve) => setTimeout(resolve));
      sliceStart = performance.now();
    }
    signal?.throwIfAborted();
  };
}
