// What vitest.config.mjs gives the conformance suite.

import 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** The instruction set whose kernels are run. */
    architecture: string;
  }
}
