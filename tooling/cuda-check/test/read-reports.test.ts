import { expect, it } from 'vitest';
import { countMemcheck, countTests } from '../read-reports.mjs';

it('counts tests, and names what failed', () => {
  const report = {
    numPassedTests: 2,
    numFailedTests: 1,
    numPendingTests: 3,
    testResults: [
      {
        assertionResults: [
          { status: 'passed', fullName: 'a', failureMessages: [] },
          { status: 'failed', fullName: 'CUDA linear: 1×1×1', failureMessages: ['Error: off by 2\n    at …'] },
        ],
      },
    ],
  };
  expect(countTests(report)).toEqual({
    passed: 2,
    failed: 1,
    skipped: 3,
    failures: ['CUDA linear: 1×1×1: Error: off by 2'],
  });
});

it('counts errors of memcheck, and names the first', () => {
  const output = [
    '========= COMPUTE-SANITIZER',
    '========= Invalid __global__ read of size 4 bytes',
    '=========     at linear_f32_64x64(float const*)+0x1a0',
    '120 cases, 0 failed, on NVIDIA H200',
    '========= ERROR SUMMARY: 3 errors',
  ].join('\n');
  expect(countMemcheck(output)).toEqual({
    errors: 3,
    cases: 120,
    reason: 'Invalid __global__ read of size 4 bytes',
  });
  expect(countMemcheck('========= ERROR SUMMARY: 0 errors\n')).toEqual({ errors: 0 });
  expect(countMemcheck('no such file')).toEqual({});
});
