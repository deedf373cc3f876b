// What the build reads from ptxas, and what it makes of it.

import { expect, test } from 'vitest';
import { formatBudget, overBudget, parseUsage } from '../build/resource-usage.mjs';

const log = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'wide' for 'sm_80'
ptxas info    : Function properties for wide
    136 bytes stack frame, 376 bytes spill stores, 388 bytes spill loads
ptxas info    : Used 168 registers, used 1 barriers, 136 bytes cumulative stack size, 384 bytes smem
ptxas info    : Compile time = 497.357 ms
ptxas info    : Compiling entry function 'wide' for 'sm_90a'
ptxas info    : Function properties for wide
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 250 registers, used 1 barriers
ptxas info    : Compiling entry function 'narrow' for 'sm_80'
ptxas info    : Function properties for narrow
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 22 registers, used 0 barriers
`;
const usage = { wide: { sm_80: [168, 764, 384], sm_90a: [250, 0, 0] }, narrow: { sm_80: [22, 0, 0] } };

test('registers, spilled bytes and shared memory of each kernel and architecture', () => {
  expect(parseUsage(log)).toEqual(usage);
  expect(JSON.parse(formatBudget(usage))).toEqual(usage);
});

test('what is above its budget, or has none, is named', () => {
  expect(overBudget(usage, usage)).toEqual([]);
  const budget = { wide: { sm_80: [160, 764, 384], sm_90a: [255, 0, 0] } };
  expect(overBudget(usage, budget)).toEqual(['wide on sm_80: 168 registers, budget 160', 'narrow on sm_80: no budget']);
});
