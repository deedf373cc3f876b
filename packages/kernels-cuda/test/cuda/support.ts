// The GPU of this machine, for the suites of this folder: skipped where there is none, unless FLASHMLA_REQUIRE names cuda;
// FLASHMLA_ADAPTER names a part of the device's description that must be there.

import { describe, expect, test } from 'vitest';
import { provider } from '../../dist/index.js';

const { FLASHMLA_REQUIRE = '', FLASHMLA_ADAPTER = '' } = process.env;
const { available, reason } = await provider.probe();

export function describeOnDevice(name: string, body: () => void): void {
  if (available) {
    describe(`${name}, ${reason}`, () => {
      test('this is what runs', () => expect(reason).toContain(FLASHMLA_ADAPTER));
      body();
    });
  } else if (FLASHMLA_REQUIRE.split(/[\s,]+/).includes('cuda')) {
    test(name, () => {
      throw new Error(`FLASHMLA_REQUIRE names cuda, and there is none: ${reason}`);
    });
  } else {
    test.skip(`${name}: not run: ${reason}`, () => {});
  }
}
