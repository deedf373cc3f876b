// What the engine that runs this makes of relaxed SIMD's choices, where it is known what it must be.

import { expect, test } from 'vitest';
import { relaxedDot } from '../src/features.ts';

test('the dot product reads the eighth bit as NEON does, as AVX-VNNI does, or not at all', () => {
  const possible = process.arch === 'arm64' ? ['signed'] : ['signed', 'unsigned', undefined];
  expect(possible).toContain(relaxedDot());
});
