// What classify() of projects/classify gives, in Node and in pages, and what it must be.

import type { DeviceInfo } from '@flashmla/tensor';
import { expect } from 'vitest';

export interface Classified {
  readonly labels: string[];
  readonly logits: number[];
  /** 'sparse' or 'dense', for each layer. */
  readonly attention: string[];
  readonly backend: string;
  readonly device: DeviceInfo;
}

/**
 * Both texts are long enough for k = 4 to leave keys out, so every layer really ran sparse, but for the last: it computes the
 * one token that is read.
 */
export function expectClassified(result: Classified, backend: string): void {
  expect(result.labels).toEqual(['positive', 'negative']);
  expect(result.attention).toEqual(['sparse', 'sparse', 'sparse', 'dense']);
  expect(result.backend).toBe(backend);
}
