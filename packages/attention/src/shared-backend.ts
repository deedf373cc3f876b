// The backend of modules that were given none: opened by the first that needs it and shared by all, so that the output of
// one is an input of the next and threads are started once. It stays open as long as the process or page, since outputs
// outlive the modules that made them; who wants to close it opens a backend and passes it in.

import { selectBackend } from '@flashmla/backend';
import type { Backend } from '@flashmla/tensor';

let opening: Promise<Backend> | undefined;

/** The shared backend. Rejects as selectBackend does, and tries again the next time. */
export function sharedBackend(): Promise<Backend> {
  opening ??= selectBackend().catch((error: unknown) => {
    opening = undefined;
    throw error;
  });
  return opening;
}
