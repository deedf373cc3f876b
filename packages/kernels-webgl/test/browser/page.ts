// What the tests call in the page, beside the conformance suite.

import { serveConformance } from '@flashmla/browser-testing/page';
import { provider } from '@flashmla/kernels-webgl';
import { execute, type Problem, tensor } from '@flashmla/tensor';

/** Every context that the page makes. */
const contexts: WebGL2RenderingContext[] = [];
const getContext = HTMLCanvasElement.prototype.getContext;
Object.assign(HTMLCanvasElement.prototype, {
  getContext(this: HTMLCanvasElement, kind: string, ...rest: never[]) {
    const context = getContext.call(this, kind, ...rest);
    if (context instanceof WebGL2RenderingContext) contexts.push(context);
    return context;
  },
});

/** Of WEBGL_debug_renderer_info. */
const UNMASKED_RENDERER = 0x9246;

/** Of the backend that was opened or recovered last. */
const loseLastContext = () => contexts.at(-1)!.getExtension('WEBGL_lose_context')!.loseContext();

const opened = serveConformance(provider, loseLastContext);

const linearOf = (rows: number, inFeatures: number, outFeatures: number): Problem => ({
  op: 'linear',
  rows,
  inFeatures,
  outFeatures,
  bias: false,
  activation: 'none',
});

/** What gpu.js leaves in the page, under the name of WebGPU's interface. */
const gpuJs = () =>
  globalThis.GPU as unknown as {
    WebGL2Kernel: object;
    CPUKernel: new (source: string, settings: object) => object;
    prototype: object;
  };

/** What an action raised, as text. */
async function errorOf(action: () => unknown): Promise<string> {
  try {
    await action();
  } catch (error) {
    return String(error);
  }
  return 'nothing was raised';
}

/** Runs `action` with a method of `target` replaced. */
async function replacing<T>(target: object, name: string, method: unknown, action: () => Promise<T>): Promise<T> {
  const original = Object.getOwnPropertyDescriptor(target, name)!;
  Object.defineProperty(target, name, { ...original, value: method });
  try {
    return await action();
  } finally {
    Object.defineProperty(target, name, original);
  }
}

const ones = (count: number) => new Float32Array(count).fill(1);

const suite = {
  probe: () => provider.probe(),

  /** The probe, where the browser names another GPU than it has. */
  probeOn(renderer: string) {
    const { getParameter } = WebGL2RenderingContext.prototype;
    function named(this: WebGL2RenderingContext, name: number) {
      return name === UNMASKED_RENDERER ? renderer : getParameter.call(this, name);
    }
    return replacing(WebGL2RenderingContext.prototype, 'getParameter', named, () => provider.probe());
  },

  supports: (problem: Problem) => opened().supports(problem),

  prepareError: (problem: Problem) => errorOf(() => opened().prepare(problem)),

  /** 1 · 1 + 1 · 1 + … */
  async sumOfOnes(inFeatures: number) {
    const backend = opened();
    using input = backend.upload(tensor(ones(inFeatures), [1, inFeatures]));
    using weight = backend.upload(tensor(ones(inFeatures), [1, inFeatures]));
    const { output } = await execute(backend, linearOf(1, inFeatures, 1), { input, weight });
    using sum = output!;
    return (await sum.data())[0] as number;
  },

  /** Attention of one query over `keys` equal keys: its lse is ln keys, its output the mean value. */
  async attendToEqualKeys(keys: number) {
    const backend = opened();
    using query = backend.upload(tensor(ones(4), [1, 4]));
    using key = backend.upload(tensor(ones(4 * keys), [keys, 4]));
    using value = backend.upload(
      tensor(
        Float32Array.from({ length: 4 * keys }, (_, i) => i >> 2),
        [keys, 4],
      ),
    );
    const sizes = { batch: 1, heads: 1, queries: 1, keys, headDim: 4, layout: 'heads-first', scale: 0 } as const;
    const problem: Problem = { op: 'dense-attention', ...sizes, mask: false, causal: false };
    const { output, lse } = await execute(backend, problem, { query, key, value });
    const result = { mean: (await output!.data())[0] as number, lse: (await lse!.data())[0] as number };
    output!.dispose();
    lse!.dispose();
    return result;
  },

  /** Gathers all rows of a table [rows, width] whose elements tell where they are; how many came out wrong. */
  async gatherAll({ rows, width }: { rows: number; width: number }) {
    const backend = opened();
    const table = Float32Array.from({ length: rows * width }, (_, i) => Math.floor(i / width) + (i % width) / width);
    const ids = Int32Array.from({ length: rows }, (_, row) => rows - 1 - row);
    using word = backend.upload(tensor(table, [rows, width]));
    using tokenIds = backend.upload(tensor(ids, [rows]));
    const problem: Problem = { op: 'embedding', rows, modelDim: width, vocabulary: rows, positions: 0, types: 0 };
    const { output } = await execute(backend, problem, { word, tokenIds });
    using gathered = output!;
    const values = (await gathered.data()) as Float32Array;
    return values.reduce((wrong, value, i) => {
      const expected = table[ids[Math.floor(i / width)]! * width + (i % width)];
      return wrong + Number(value !== expected);
    }, 0);
  },

  /** Draws and reads of the GPU while two ops run one after the other, and then while the result is read. */
  async callsOfTwoOps() {
    const backend = opened();
    const calls = { draws: 0, reads: 0 };
    const counted = (name: 'draws' | 'reads', method: (...args: never[]) => unknown) =>
      function (this: WebGL2RenderingContext, ...args: never[]) {
        calls[name]++;
        return method.apply(this, args);
      };
    const { drawArrays, readPixels } = WebGL2RenderingContext.prototype;
    return replacing(WebGL2RenderingContext.prototype, 'drawArrays', counted('draws', drawArrays), () =>
      replacing(WebGL2RenderingContext.prototype, 'readPixels', counted('reads', readPixels), async () => {
        using input = backend.upload(tensor(ones(8), [2, 4]));
        using weight = backend.upload(tensor(ones(16), [4, 4]));
        const first = await execute(backend, linearOf(2, 4, 4), { input, weight });
        const second = await execute(backend, linearOf(2, 4, 4), { input: first.output!, weight });
        await backend.synchronize();
        const dispatched = { ...calls };
        const result = [...((await second.output!.data()) as Float32Array)];
        first.output!.dispose();
        second.output!.dispose();
        return { dispatched, afterReading: calls, result };
      }),
    );
  },

  /** What comes of an op when gpu.js finds that WebGL2 can't take its arguments and falls back to the CPU. */
  errorOfFallback: () =>
    replacing(
      gpuJs().WebGL2Kernel,
      'lookupKernelValueType',
      () => null,
      async () => {
        await using backend = await provider.open();
        using input = backend.upload(tensor(ones(4), [1, 4]));
        return await errorOf(() => execute(backend, linearOf(1, 4, 1), { input, weight: input }));
      },
    ),

  /** The same when the fallback gives a result: kernels that gpu.js runs in JavaScript from the start. */
  errorOfCpuKernel: () =>
    replacing(
      gpuJs().prototype,
      'createKernel',
      () => cpuKernel(),
      async () => {
        await using backend = await provider.open();
        using input = backend.upload(tensor(ones(4), [1, 4]));
        return await errorOf(() => execute(backend, linearOf(1, 4, 1), { input, weight: input }));
      },
    ),

  /** What the probe says where WebGL2 is missing, or can't render floats. */
  reasonsWithout: async () => ({
    webgl2: await replacing(
      HTMLCanvasElement.prototype,
      'getContext',
      () => null,
      () => provider.probe(),
    ),
    floatBuffers: await replacing(
      WebGL2RenderingContext.prototype,
      'getExtension',
      () => null,
      () => provider.probe(),
    ),
  }),

  /** How many contexts that `count` probes made are still open. */
  async openAfterProbes(count: number) {
    const before = contexts.length;
    for (let i = 0; i < count; i++) await provider.probe();
    return contexts.slice(before).filter((context) => !context.isContextLost()).length;
  },

  /** What recovering raises where the browser took the GPU away and gives none any more, and what is read once it does. */
  async recoverWithoutContext() {
    await using backend = await provider.open();
    const input = backend.upload(tensor(ones(4), [4]), { restore: () => tensor(ones(4), [4]) });
    loseLastContext();
    const error = await replacing(
      HTMLCanvasElement.prototype,
      'getContext',
      () => null,
      () => errorOf(() => backend.recover()),
    );
    await backend.recover();
    return { error, read: [...((await backend.read(input)) as Float32Array)] };
  },
};

function cpuKernel() {
  const kernel = () => ({ texture: {} });
  return Object.assign(kernel, {
    setOutput() {},
    kernel: new (gpuJs().CPUKernel)('function () { return 1; }', { output: [1] }),
  });
}

declare global {
  var kernelsWebgl: typeof suite;
}
globalThis.kernelsWebgl = suite;
