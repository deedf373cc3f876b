// cuBLASLt for linear: what it is told, what is cached and released, what happens where it is missing, refuses or fails.

import { existsSync, readFileSync } from 'node:fs';
import { type LinearProblem, tensor } from '@flashmla/tensor';
import { describe, expect, it, test } from 'vitest';
import { type CublasCalls, cublasSignatures, openCublas } from '../src/cublas.ts';
import { Driver } from '../src/driver.ts';
import { CublasError, type CudaBackend } from '../src/index.ts';
import { Products } from '../src/products.ts';
import type { CudaOpenOptions } from '../src/provider.ts';
import { FakeCublas, type FakeProduct } from './fake-cublas.ts';
import { FakeDriver } from './fake-driver.ts';
import { copyInput, fakeProvider, square } from './support.ts';

async function open(prepare: (cublas: FakeCublas) => void = () => {}, options: CudaOpenOptions = {}) {
  // What follows a product leaves it as it is.
  const fake = new FakeDriver({
    execute: (launch, driver) => (launch.kernel.startsWith('activate') ? 0 : copyInput(launch, driver)),
  });
  const cublas = new FakeCublas(fake);
  prepare(cublas);
  return { fake, cublas, backend: await fakeProvider(fake, cublas).open(options) };
}

const numbers = Float32Array.from({ length: 16 }, (_, at) => at);

/** Runs `problem`, of 4 × 4 each, `times` times, one on the output of the other. */
async function chain(backend: CudaBackend, problem: LinearProblem, times: number): Promise<unknown> {
  const program = await backend.prepare(problem);
  using weight = backend.upload(tensor(numbers, [4, 4]));
  using bias = backend.upload(tensor(numbers.slice(0, 4), [4]));
  let input = backend.upload(tensor(numbers, [4, 4]));
  for (let i = 0; i < times; i++) {
    const output = backend.allocate([4, 4], 'float32');
    backend.dispatch(program, { input, weight, ...(problem.bias && { bias }) }, { output });
    input.dispose();
    input = output;
  }
  using result = input;
  return result.data();
}

describe('a product', () => {
  it('is told transposed, with its epilogue, bias and workspace', async () => {
    const { cublas, backend } = await open();
    const problem = {
      ...square,
      rows: 7,
      inFeatures: 16,
      outFeatures: 8,
      bias: true,
      activation: 'gelu-tanh',
    } as const;
    using input = backend.allocate([7, 16], 'float16');
    using weight = backend.allocate([8, 16], 'float16');
    using bias = backend.allocate([8], 'float16');
    using output = backend.allocate([7, 8], 'float16');
    const program = await backend.prepare({ ...problem, dtype: 'float16' });
    backend.dispatch(program, { input, weight, bias }, { output });
    await backend.synchronize();
    const [product] = cublas.products;
    expect(product).toMatchObject({
      a: { type: 2, rows: 16, columns: 8 },
      b: { type: 2, rows: 16, columns: 7 },
      d: { type: 2, rows: 8, columns: 7 },
      workspaceBytes: 3 * 2 ** 20,
    });
    expect(Object.fromEntries(product!.attributes)).toEqual({ 3: 1n, 7: 36n, 8: BigInt(bias.block.address) });
    expect(product!.workspace % 256).toBe(0);
    expect(program.plan.scratchBytes).toBe(3 * 2 ** 20);
    await backend.dispose();
  });

  it('has its descriptors and its algorithm once, and is in graphs', async () => {
    const { fake, cublas, backend } = await open();
    for (let run = 0; run < 5; run++) expect(await chain(backend, { ...square, bias: true }, 6)).toEqual(numbers);
    expect(cublas.count('cublasLtMatmulAlgoGetHeuristic')).toBe(1);
    expect(cublas.count('cublasLtMatmulDescCreate')).toBe(1);
    expect(backend.launches.graphs).toBeGreaterThan(0);
    expect(fake.launches.filter(({ byGraph }) => byGraph).map(({ kernel }) => kernel)).toContain('cublasLtMatmul');
    expect(backend.memory().usedBytes).toBe(0);
    await backend.dispose();
    expect([...fake.held, ...cublas.held]).toEqual([]);
  });

  it('is followed by a kernel of our own where cuBLASLt lacks the activation', async () => {
    const { fake, cublas, backend } = await open();
    const { ops } = await backend.profile(() => chain(backend, { ...square, activation: 'gelu' }, 1));
    expect(ops[0]!.kernels.map(({ name }) => name)).toEqual(['cublas_f32', 'activate_f32']);
    expect(cublas.products[0]!.attributes.get(7)).toBe(1n);
    expect(fake.launches.map(({ kernel }) => kernel)).toEqual(['cublasLtMatmul', 'activate_f32']);
    await backend.dispose();
  });

  it.each([
    ['f32', 0],
    ['f16', 2],
    ['bf16', 14],
  ] as const)('of %s has matrices of that type', async (type, number) => {
    const fake = new FakeDriver();
    const driver = new Driver(fake);
    driver.initialize();
    const context = driver.retainPrimaryContext(driver.device(0));
    const cublas = new FakeCublas(fake);
    const products = new Products(cublas, driver, context, 80);
    const product = {
      rows: 3,
      inFeatures: 8,
      outFeatures: 16,
      type,
      bias: false,
      activation: 'relu',
    } as const;
    expect(products.workspaceBytes(product)).toBe(3 * 2 ** 20);
    driver.within(context, () => {
      const stream = driver.createStream();
      products.launch(product, { input: 256, weight: 512, bias: 0, output: 768, workspace: 0 }, stream);
      expect(products.release()).toEqual([]);
    });
    const [{ a, b, d, attributes }] = cublas.products as [FakeProduct];
    expect([a, b, d].map((matrix) => matrix.type)).toEqual([number, number, number]);
    expect(attributes.get(7)).toBe(2n);
    expect(products.workspaceBytes(product)).toBeUndefined();
  });

  it('is bounded in number: what was used longest ago is destroyed, and made again', async () => {
    const { cublas, backend } = await open();
    const supports = (rows: number) => backend.supports({ ...square, rows }).supported;
    for (let rows = 1; rows <= 1100; rows++) expect(supports(rows)).toBe(true);
    expect(cublas.held.filter((kind) => kind === 'operation')).toHaveLength(1024);
    expect(cublas.held).toHaveLength(1 + 4 * 1024);
    expect(supports(1)).toBe(true);
    expect(cublas.count('cublasLtMatmulDescCreate')).toBe(1101);
    await backend.dispose();
    expect(cublas.held).toEqual([]);
  });
});

describe('without cuBLASLt', () => {
  const kernels = async (backend: CudaBackend) => {
    const { ops } = await backend.profile(() => chain(backend, square, 1));
    return ops[0]!.kernels.map(({ name }) => name);
  };

  it('a missing one leaves the kernels of our own, and says why', async () => {
    const backend = await fakeProvider(new FakeDriver({ execute: copyInput }), 'it does not load').open();
    expect(backend.variants(square)).not.toContain('cublas');
    expect(backend.device.features).not.toContain('cublas');
    expect(backend.device.description).toMatch(/, no cuBLASLt: it does not load$/);
    expect(await kernels(backend)).toEqual(['linear_f32_64x64']);
    await backend.dispose();
  });

  it('one that does not begin is as good as missing', async () => {
    const { fake, cublas, backend } = await open((fakeCublas) => fakeCublas.fail('cublasLtCreate', 1));
    expect(backend.device.description).toContain('cublasLtCreate failed: CUBLAS_STATUS_NOT_INITIALIZED');
    expect(await kernels(backend)).toEqual(['linear_f32_64x64']);
    await backend.dispose();
    expect([...fake.held, ...cublas.held]).toEqual([]);
  });

  it('a product that it refuses is done by our own, and others are not', async () => {
    const { backend } = await open((cublas) => {
      cublas.takes = (rows) => rows !== 4;
    });
    expect(backend.variants(square)[0]).toBe('64x64');
    expect(backend.variants({ ...square, outFeatures: 5 })[0]).toBe('cublas');
    expect(backend.variants({ ...square, rows: 0 })).not.toContain('cublas');
    expect(await kernels(backend)).toEqual(['linear_f32_64x64']);
    await backend.dispose();
  });

  it('nobody who wants none has one', async () => {
    const { cublas, backend } = await open(() => {}, { cublas: false });
    expect(await kernels(backend)).toEqual(['linear_f32_64x64']);
    expect(cublas.count('cublasLtCreate')).toBe(0);
    await backend.dispose();
  });

  it('a variant of our own is taken when asked for or preferred', async () => {
    const { cublas, backend } = await open();
    expect(backend.variants(square)).toEqual(['cublas', '64x64', '128x128']);
    expect((await backend.prepare(square, { variant: '128x128' })).plan.scratchBytes).toBe(0);
    expect(backend.device.description).toMatch(/, cuBLASLt 13\.1\.1$/);
    expect(backend.device.features).toContain('cublas');
    expect(cublas.products).toEqual([]);
    await backend.dispose();
  });
});

describe('a failing call', () => {
  it.each<keyof CublasCalls>([
    'cublasLtMatmulDescCreate',
    'cublasLtMatmulDescSetAttribute',
    'cublasLtMatrixLayoutCreate',
    'cublasLtMatmulPreferenceCreate',
    'cublasLtMatmulPreferenceSetAttribute',
    'cublasLtMatmulAlgoGetHeuristic',
    'cublasLtMatmul',
  ])('%s is told with its name, nothing leaks, and the backend goes on', async (call) => {
    const { fake, cublas, backend } = await open();
    cublas.fail(call, 7);
    const error = await chain(backend, { ...square, bias: true }, 1).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CublasError);
    expect(error).toMatchObject({ call, status: 7, code: 'backend-failed' });
    expect((error as Error).message).toMatch(
      new RegExp(`^\\[kernels-cuda\\] ${call}( \\(.*\\))? failed: CUBLAS_STATUS_INVALID_VALUE\\. .{20,}\\.$`),
    );
    await backend.synchronize().catch(() => {});
    expect(await chain(backend, square, 3)).toEqual(numbers);
    await backend.dispose();
    expect([...fake.held, ...cublas.held]).toEqual([]);
  });

  it('at the end is told, and all the rest is released', async () => {
    const { fake, cublas, backend } = await open();
    await chain(backend, square, 1);
    cublas.fail('cublasLtMatrixLayoutDestroy', 7);
    await expect(backend.dispose()).rejects.toThrow('cublasLtMatrixLayoutDestroy failed');
    expect(fake.held).toEqual([]);
    expect(cublas.held).toEqual(['layout']);
  });

  it('for lack of memory is one of memory', () => {
    expect(new CublasError('cublasLtMatmul', 3, 'CUBLAS_STATUS_ALLOC_FAILED').code).toBe('out-of-memory');
  });
});

it('the library of this machine opens, or says in one line why not', async () => {
  const api = await openCublas();
  if (typeof api === 'string') expect(api).toMatch(/^[^\n]{20,}$/);
  else expect(api.nameOf(15)).toBe('CUBLAS_STATUS_NOT_SUPPORTED');
  expect(await openCublas('no-such-library.so')).toMatch(/^no-such-library\.so does not load \(/);
});

const { CUDA_HOME = '/usr/local/cuda' } = process.env;
const header = `${CUDA_HOME}/include/cublasLt.h`;

/** How src/cublas.ts writes a parameter of the header; several where more than one way is right. */
function lettersOf(parameter: string): string {
  if (/\*\s*\w+(\[\])?$/.test(parameter) || /\[\]$/.test(parameter)) return 'mu';
  const type = parameter.replace(/\s*\w+$/, '').trim();
  if (type === 'size_t') return 'z';
  if (type === 'int64_t') return 'l';
  return /^(uint64_t|cudaStream_t|cublasLt(Handle|MatmulDesc|MatrixLayout|MatmulPreference)_t)$/.test(type) ? 'u' : 'i';
}

if (existsSync(header)) {
  describe(`what is called is what ${header} declares`, () => {
    const text = readFileSync(header, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    it.each(Object.entries(cublasSignatures))('%s', (name, [letters]) => {
      const declared = new RegExp(`CUBLASWINAPI ${name}\\(([^)]*)\\);`).exec(text)![1]!;
      const parameters = declared.split(',').map((parameter) => parameter.trim());
      expect(letters).toHaveLength(parameters.length);
      parameters.forEach((parameter, at) => {
        expect(lettersOf(parameter), parameter).toContain(letters[at]);
      });
    });
  });
} else {
  test.skip(`calls against cublasLt.h: not run: there is no ${header}; CUDA_HOME names the toolkit`, () => {});
}
