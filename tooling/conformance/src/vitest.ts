// @flashmla/conformance/vitest: the suite as tests of vitest, in Node.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Backend, type BackendProvider, type TrainingOpName, trainingOpNames } from '@flashmla/tensor';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type { Case } from './case.ts';
import { conformanceCases } from './cases/index.ts';
import { contractChecks } from './contract.ts';
import { fixtureCase } from './fixtures.ts';
import { type Lose, lossChecks } from './loss.ts';
import { refusedByName } from './refusals.ts';
import { isRequired } from './required.ts';
import { runCase } from './run-case.ts';

export interface ConformanceOptions {
  /** Of the ops of training, which a backend may refuse, those that this one must do; default: none. */
  requires?: readonly TrainingOpName[];
  /** Which cases to run; default: all. */
  filter?: (testCase: Case) => boolean;
  /** Most milliseconds that one case may take; default: `caseTimeoutMs`, which vitest may be configured to provide, or 30 s. */
  timeoutMs?: number;
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Most milliseconds that one case may take, where everything is slower than anybody would wait for: under emulation. */
    caseTimeoutMs: number | undefined;
  }
}

type Open = () => Promise<Backend>;

/** What opens the backends that a suite runs on, by their names. A case's test runs it on one after the other. */
export type Openers = Readonly<Record<string, Open>>;

/** Registers a test for every promise of the contract, on each backend, and for every case. */
export function testConformance(openers: Openers, options: ConformanceOptions = {}): void {
  const cases = conformanceCases().filter(options.filter ?? (() => true));
  for (const [name, open] of Object.entries(openers)) {
    testContract(name, open);
    testRefusals(name, open, cases, options.requires ?? []);
  }
  testCases('cases', openers, cases, options.timeoutMs);
}

/**
 * Gives what registers groups of tests on the device that `provider` finds. Where there is none a skipped test says so,
 * unless FLASHMLA_REQUIRE names the backend: then it fails. FLASHMLA_ADAPTER names a part of the device's description that
 * must be there.
 */
export async function suiteOnDevice({ name: backend, probe }: BackendProvider) {
  const { FLASHMLA_ADAPTER = '' } = process.env;
  const { available, reason } = await probe();
  return (name: string, body: () => void): void => {
    if (available) {
      describe(`${name}, ${reason}`, () => {
        test('this is what runs', () => expect(reason).toContain(FLASHMLA_ADAPTER));
        body();
      });
    } else if (isRequired(backend)) {
      test(name, () => {
        throw new Error(`FLASHMLA_REQUIRE names ${backend}, and there is none: ${reason}`);
      });
    } else {
      test.skip(`${name}: not run: ${reason}`, () => {});
    }
  };
}

/** Registers a test for every promise of the contract about a device that is lost, which `lose` makes it. */
export function testLoss(name: string, open: Open, lose: Lose): void {
  describe(`${name}, a lost device`, () => {
    for (const check of lossChecks()) test(check.name, () => check.run(open, lose));
  });
}

/**
 * Registers a test for each fixture (fixtures.ts) in `directory`, and one that names the directory when it is not there:
 * the fixtures are no part of the project.
 */
export function testFixtures(openers: Openers, directory: string | URL, options: ConformanceOptions = {}): void {
  const cases = fixtureCases(directory);
  if (cases) {
    testCases('fixtures', openers, cases.filter(options.filter ?? (() => true)), options.timeoutMs);
  } else {
    test.skip(`fixtures: not run, there is no directory ${pathOf(directory)}`, () => {});
  }
}

/** The cases that a directory of fixtures holds; undefined when there is no such directory. */
export function fixtureCases(directory: string | URL): Case[] | undefined {
  const folder = pathOf(directory);
  if (!existsSync(folder)) return undefined;
  return readdirSync(folder)
    .filter((file) => file.endsWith('.safetensors'))
    .sort()
    .map((file) => fixtureCase(file, readFileSync(join(folder, file))));
}

const pathOf = (directory: string | URL) => (typeof directory === 'string' ? directory : fileURLToPath(directory));

function testContract(name: string, open: Open): void {
  describe(`${name}, contract`, () => {
    const backend = opened(open);
    for (const check of contractChecks()) test(check.name, () => check.run(backend(), open));
  });
}

function testCases(
  name: string,
  openers: Openers,
  cases: readonly Case[],
  timeoutMs = inject('caseTimeoutMs') ?? 30_000,
): void {
  const ops = new Set(cases.map(({ problem }) => problem.op));
  const names = Object.keys(openers);
  describe(`${name}: ${names.join('; ')}`, () => {
    const backends = names.map((each) => ({ name: each, backend: opened(openers[each]!) }));
    for (const op of ops) {
      const ofOp = cases.filter(({ problem }) => problem.op === op);
      describe(op, () => {
        for (const testCase of ofOp) {
          const run = async () => {
            const inputs = testCase.inputs();
            for (const { name, backend } of backends) await runNamed(name, runCase(backend(), testCase, { inputs }));
          };
          test(testCase.name, run, timeoutMs * names.length);
        }
        for (const { name, backend } of backends) testVariants(name, backend, ofOp, timeoutMs);
      });
    }
  });
}

/** Raises what `run` raises, with who ran. */
async function runNamed(name: string, run: Promise<void>): Promise<void> {
  await run.catch((cause: Error) => {
    throw new Error(`${name}: ${cause.message}`, { cause });
  });
}

/** Registers a test for each op of training: it is done, or refused by its name, which a skipped test then counts. */
function testRefusals(name: string, open: Open, cases: readonly Case[], required: readonly TrainingOpName[]): void {
  describe(`${name}, ops of training`, () => {
    const backend = opened(open);
    for (const op of trainingOpNames) {
      test(`${op} is done, or refused by its name`, ({ skip }) => {
        const reasons = refusedByName(backend(), op, cases, required);
        if (reasons.length > 0) skip(`${reasons.length} cases were refused: ${reasons[0]}`);
      });
    }
  });
}

/** All cases run by default, the ways that are not the default at every such case: each would take as long as all. */
const variantStep = 4;

function testVariants(name: string, backend: () => Backend, cases: readonly Case[], timeoutMs: number): void {
  const some = cases.filter((_, index) => index % variantStep === 0);
  test(
    `variants of ${name}, at each ${variantStep}th case`,
    async ({ skip }) => {
      let runs = 0;
      for (const testCase of some) {
        const supported = backend().supports(testCase.problem).supported;
        const variants = supported ? backend().variants(testCase.problem).slice(1) : [];
        const inputs = variants.length > 0 ? testCase.inputs() : {};
        for (const variant of variants) {
          runs++;
          await runNamed(`${testCase.name}, ${variant}`, runCase(backend(), testCase, { variant, inputs }));
        }
      }
      if (runs === 0) skip('this backend has one way to run them');
    },
    timeoutMs * Math.max(1, some.length),
  );
}

/** Opens a backend before the tests of a group and disposes it after them. */
function opened(open: Open): () => Backend {
  let backend: Backend | undefined;
  beforeAll(async () => {
    backend = await open();
  });
  afterAll(() => backend?.dispose());
  return () => {
    if (!backend) throw new Error('the backend did not open');
    return backend;
  };
}
