// `pnpm check:cuda`: everything that is to be found out on a machine with an NVIDIA GPU, from a fresh clone on, into one
// JSON file. Assumes Node, git and the NVIDIA driver; what else is missing makes its part 'not run', with the reason. Uses
// nothing that Node does not bring: nothing is installed when it begins. Fails when a part failed or had no GPU.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir, totalmem, type } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { countMemcheck, countTests } from './read-reports.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const here = fileURLToPath(new URL('.', import.meta.url));
const turbo = join(root, 'node_modules/turbo/bin/turbo');
const fatbin = join(root, 'packages/kernels-cuda/fatbin');

/** Runs a program to its end; what it prints is shown and, with `keep`, returned: all of it, and stdout alone. */
function run(program, args, { env = {}, keep = false } = {}) {
  return new Promise((done) => {
    const child = spawn(program, args, {
      cwd: root,
      env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', ...env },
      stdio: ['ignore', keep ? 'pipe' : 'inherit', keep ? 'pipe' : 'inherit'],
    });
    const output = [];
    const stdout = [];
    for (const [stream, chunks] of [
      [child.stdout, [output, stdout]],
      [child.stderr, [output]],
    ]) {
      stream?.on('data', (chunk) => {
        for (const kept of chunks) kept.push(chunk);
        process.stderr.write(chunk);
      });
    }
    const text = (chunks) => Buffer.concat(chunks).toString();
    child.on('error', (error) => done({ status: -1, output: error.message, stdout: '' }));
    child.on('close', (code) => done({ status: code ?? -1, output: text(output), stdout: text(stdout) }));
  });
}

/** What a program says; undefined when it is not there. */
function ask(program, ...args) {
  const { status, stdout } = spawnSync(program, args, { cwd: root, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

const notRun = (reason) => ({ outcome: 'not run', reason });
const outcome = (passed, more = {}) => ({ outcome: passed ? 'passed' : 'failed', ...more });

const parts = {
  async build() {
    const install = await run(process.execPath, [join(root, 'tooling/bootstrap/run.mjs'), 'install']);
    if (install.status !== 0) return outcome(false, { reason: 'installing failed' });
    const build = await run(process.execPath, [turbo, 'run', 'build', '--filter=@flashmla/cuda-check...']);
    if (build.status !== 0) return outcome(false, { reason: 'the build failed' });
    if (existsSync(fatbin)) return outcome(true);
    if (ask('nvcc', '--version') === undefined) {
      return outcome(false, { reason: 'this clone has no fatbin, and there is no nvcc on the PATH to build it' });
    }
    const script = join(root, 'packages/kernels-cuda/build/build-fatbin.mjs');
    return outcome((await run(process.execPath, [script])).status === 0, { reason: 'the fatbin was built here' });
  },

  async tests() {
    const folder = mkdtempSync(join(tmpdir(), 'flashmla-cuda-'));
    try {
      const report = join(folder, 'tests.json');
      const vitest = join(root, 'node_modules/vitest/vitest.mjs');
      const { status } = await run(
        process.execPath,
        [
          ...[vitest, 'run', '--root', join(root, 'packages/kernels-cuda'), '--config', 'vitest.cuda.config.ts'],
          ...['--reporter=dot', '--reporter=json', `--outputFile.json=${report}`],
        ],
        { env: { FLASHMLA_REQUIRE: 'cuda', NO_COLOR: '1' } },
      );
      if (!existsSync(report)) return outcome(false, { reason: 'vitest wrote no report' });
      return outcome(status === 0, countTests(JSON.parse(readFileSync(report, 'utf8'))));
    } finally {
      rmSync(folder, { recursive: true });
    }
  },

  async memcheck() {
    if (ask('compute-sanitizer', '--version') === undefined) return notRun('there is no compute-sanitizer on the PATH');
    const { status, output } = await run(
      'compute-sanitizer',
      ['--tool', 'memcheck', '--error-exitcode', '9', process.execPath, join(here, 'memcheck.mjs')],
      { keep: true },
    );
    return outcome(status === 0, countMemcheck(output));
  },

  async benchmark() {
    const build = await run(process.execPath, [turbo, 'run', 'build', '--filter=@flashmla/benchmarks...']);
    if (build.status !== 0) return outcome(false, { reason: 'the build failed' });
    const program = join(root, 'tooling/benchmarks/dist/cuda.js');
    const { status, output, stdout } = await run(process.execPath, [program, '--json'], { keep: true });
    if (status !== 0) return outcome(false, { reason: output.trim().split('\n').at(-1) });
    return outcome(true, { results: JSON.parse(stdout) });
  },
};

function machine() {
  const columns = 'name,uuid,driver_version,compute_cap,memory.total,clocks.max.sm,clocks.max.memory,power.limit';
  const smi = ask('nvidia-smi', `--query-gpu=${columns}`, '--format=csv,noheader');
  return {
    commit: ask('git', 'rev-parse', 'HEAD') ?? 'unknown',
    changed: (ask('git', 'status', '--porcelain') ?? '') !== '',
    node: process.version,
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryBytes: totalmem(),
    os: `${type()} ${release()} ${process.arch}`,
    gpus: smi?.split('\n').map((line) => {
      const values = line.split(', ');
      return Object.fromEntries(columns.split(',').map((column, at) => [column, values[at]]));
    }),
    nvcc: ask('nvcc', '--version')?.split('\n').at(-1),
    python: ask('python3', '-c', 'import torch; print(torch.__version__, torch.version.cuda)'),
  };
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: { only: { type: 'string' }, output: { type: 'string', default: 'cuda-results.json' } },
});
// pnpm changes to the root; a relative file is meant from where the user stands.
const output = resolve(process.env.INIT_CWD ?? process.cwd(), values.output);
const chosen = values.only === undefined ? Object.keys(parts) : values.only.split(',');
const unknown = chosen.filter((name) => !(name in parts));
if (unknown.length > 0) {
  console.error(`[cuda-check] no part '${unknown.join(', ')}'; give some of: ${Object.keys(parts).join(', ')}.`);
  process.exit(2);
}

const results = { date: new Date().toISOString(), machine: machine(), parts: {} };
for (const name of chosen) {
  console.error(`\n== ${name}`);
  const start = performance.now();
  const result = await parts[name]();
  results.parts[name] = { ...result, seconds: Math.round((performance.now() - start) / 100) / 10 };
  // After each part: what was found out is kept, whatever becomes of the rest.
  writeFileSync(output, `${JSON.stringify(results, null, 2)}\n`);
  // Without a build nothing after it means anything.
  if (name === 'build' && result.outcome === 'failed') break;
}
console.error('');
for (const [name, { outcome: found, reason = '', seconds }] of Object.entries(results.parts)) {
  console.error(`${name.padEnd(10)} ${found.padEnd(8)} ${String(seconds).padStart(7)} s  ${reason}`);
}
console.error(`written to ${output}`);
process.exitCode = Object.values(results.parts).some(({ outcome: found }) => found === 'failed') ? 1 : 0;
