// What the global set-up hands to the tests.

import 'vitest';

declare module 'vitest' {
  interface ProvidedContext {
    /** The executable; undefined where there is none. */
    chromium: string | undefined;
  }
}
