// The time to a first result, of processes that begin with nothing: cuda-start.ts.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type Spread, spreadOf } from '../statistics.ts';

/** @param device as `open` takes it */
export async function measureStart(runs: number, device: number | string | undefined): Promise<Spread> {
  const program = fileURLToPath(new URL('./cuda-start.js', import.meta.url));
  const args = device === undefined ? [program] : [program, JSON.stringify(device)];
  const times: number[] = [];
  for (let run = 0; run < runs; run++) {
    const { stdout } = await promisify(execFile)(process.execPath, args);
    times.push(Number(stdout));
  }
  return spreadOf(times);
}
