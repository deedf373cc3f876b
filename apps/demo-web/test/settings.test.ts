import { expect, test } from 'vitest';
import type { BackendReport } from '../src/engine/protocol.ts';
import { precisionsOf } from '../src/settings.ts';

const report = (name: BackendReport['name'], available: boolean, ...features: string[]): BackendReport => ({
  name,
  ...{ installed: true, available, reason: 'as the test says', features },
});

test('a precision is offered where the chosen backend has it, or any that works', () => {
  const reports = [report('cpu', true, 'simd128'), report('webgpu', true, 'float16'), report('cuda', false, 'float16')];
  expect(precisionsOf(reports, undefined)).toEqual(['float32', 'float16']);
  expect(precisionsOf(reports, 'webgpu')).toEqual(['float32', 'float16']);
  expect(precisionsOf(reports, 'cpu')).toEqual(['float32']);
  expect(precisionsOf(reports, 'cuda')).toEqual(['float32']);
  expect(precisionsOf([], undefined)).toEqual(['float32']);
});
