// Compiles the kernels into fatbin/: one compressed fatbin, and a manifest that says which sources it is made of. Prints what
// each kernel takes of registers and shared memory, and fails when that is above budget.json. Needs CUDA 13's nvcc.
//
//   node build/build-fatbin.mjs               build
//   node build/build-fatbin.mjs --accept      build, and what it takes is the new budget
//   node build/build-fatbin.mjs --check       budget only: nothing is written, nor compiled where that was done before
//   … --architectures 90a,120                 of these only, with --check

import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { formatBudget, formatUsage, overBudget, parseUsage } from './resource-usage.mjs';
import { architectures, options, sourceHash } from './sources.mjs';

const { values } = parseArgs({
  options: { accept: { type: 'boolean' }, check: { type: 'boolean' }, architectures: { type: 'string' } },
});
if (values.architectures && !values.check) fail('--architectures needs --check: a fatbin is built for all of them.');
const chosen = values.architectures?.split(',') ?? architectures;

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const budgetFile = file('budget.json');

function fail(message) {
  console.error(`[kernels-cuda] ${message}`);
  process.exit(1);
}

/** Runs nvcc and gives back what it printed. */
function nvcc(args) {
  return new Promise((resolve) => {
    const child = spawn('nvcc', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => (output += bytes));
    child.on('error', () => fail('there is no nvcc on the PATH; install the CUDA 13 toolkit.'));
    child.on('close', (code) => (code === 0 ? resolve(output) : fail(`nvcc failed:\n${output}`)));
  });
}

const version = /release ([\d.]+), V([\d.]+)/.exec(await nvcc(['--version']));
if (!version?.[1].startsWith('13.')) fail(`nvcc is of CUDA ${version?.[1]}; the fatbin is built with CUDA 13.`);

const cache = file('../node_modules/.cache/cuda-fatbin/');
const cachedLog = `${cache}${sourceHash().slice(0, 16)}-${version[2]}-${chosen.join('-')}.log`;

/** The fatbin, and what ptxas said. */
async function compile() {
  const folder = mkdtempSync(join(tmpdir(), 'fatbin-'));
  const built = join(folder, 'flashmla.fatbin');
  const log = await nvcc([
    ...options,
    '-fatbin',
    '--resource-usage',
    ...['--threads', String(availableParallelism())],
    ...chosen.flatMap((number, i) => [
      '-gencode',
      `arch=compute_${number},code=${i === 0 ? `[sm_${number},compute_${number}]` : `sm_${number}`}`,
    ]),
    ...['-o', built, file('../kernels/kernels.cu')],
  ]);
  const fatbin = readFileSync(built);
  rmSync(folder, { recursive: true });
  mkdirSync(cache, { recursive: true });
  writeFileSync(cachedLog, log);
  return { log, fatbin };
}

const { log, fatbin } =
  values.check && existsSync(cachedLog) ? { log: readFileSync(cachedLog, 'utf8') } : await compile();
const usage = parseUsage(log);
console.log(formatUsage(usage));
console.log(`${Object.keys(usage).length} kernels, ${chosen.length} architectures`);

if (values.accept) {
  writeFileSync(budgetFile, formatBudget(usage));
} else {
  const over = overBudget(usage, JSON.parse(readFileSync(budgetFile, 'utf8')));
  if (over.length > 0) fail(`above the budget (--accept makes it the new one):\n${over.join('\n')}`);
}

if (!values.check) {
  const manifest = {
    sources: sourceHash(),
    sha256: createHash('sha256').update(fatbin).digest('hex'),
    bytes: fatbin.byteLength,
    nvcc: version[2],
    architectures: [...architectures.map((number) => `sm_${number}`), `compute_${architectures[0]}`],
    kernels: Object.keys(usage).sort(),
  };
  mkdirSync(file('../fatbin'), { recursive: true });
  writeFileSync(file('../fatbin/flashmla.fatbin'), fatbin);
  writeFileSync(file('../fatbin/manifest.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  console.log(`fatbin/flashmla.fatbin: ${fatbin.byteLength} bytes`);
}
