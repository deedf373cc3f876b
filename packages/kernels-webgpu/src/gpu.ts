// Where WebGPU comes from: the platform's own (browsers, Deno), or in Node the optional peer `webgpu` (Dawn).
// Usage flags are written as numbers, as the specification has them: Node has no globals for them.

export const usage = {
  mapRead: 1,
  copySource: 4,
  copyDestination: 8,
  uniform: 64,
  storage: 128,
  queryResolve: 512,
} as const;
export const mapModeRead = 1;
export const shaderStageCompute = 4;

/** Dawn crashes when the object that made its adapters is collected: https://www.npmjs.com/package/webgpu */
let dawn: GPU | undefined;

/** The entry to WebGPU, or why there is none. */
export async function findGpu(): Promise<GPU | string> {
  const platform = globalThis.navigator?.gpu;
  if (platform) return platform;
  if (!globalThis.process?.versions?.node) {
    return globalThis.isSecureContext === false
      ? 'WebGPU needs a secure context; serve the page over https or from localhost'
      : 'this browser has no WebGPU; update it, or use another backend';
  }
  try {
    // Native code, which no bundler shall take: `browser` in package.json keeps it out of what is built for browsers,
    // the comment out of what webpack builds for Node.
    const { create } = await import(/* webpackIgnore: true */ 'webgpu');
    dawn ??= create([]);
    return dawn;
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND'
      ? 'Node has no WebGPU of its own; npm i webgpu'
      : `the package webgpu does not load: ${(error as Error).message}`;
  }
}
