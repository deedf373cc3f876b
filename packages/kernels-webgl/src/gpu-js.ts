// What this package uses of gpu.js 2.24, and how it is found. Its own types leave out textures of one and two channels.

import { FlashMLAError } from '@flashmla/tensor';

/** A texture as gpu.js passes it to kernels. */
export interface GpuTexture {
  readonly texture: WebGLTexture & { _refs?: number };
}

/** What `createKernel` gives: called, it runs and returns the texture that it wrote. */
export interface GpuKernel {
  (...args: (GpuTexture | number)[]): GpuTexture;
  setOutput(size: number[]): void;
  /** The kernel that really runs; gpu.js exchanges it when it falls back. */
  readonly kernel: object;
}

export interface Gpu {
  readonly mode: string;
  createKernel(source: string, settings: object): GpuKernel;
  destroy(): Promise<void>;
}

export interface GpuJs {
  readonly GPU: new (settings: { mode: 'webgl2'; canvas: object; context: WebGL2RenderingContext }) => Gpu;
  readonly Texture: new (settings: object) => GpuTexture;
  readonly WebGL2Kernel: abstract new (...args: never[]) => object;
}

/**
 * gpu.js, in whatever form the page's bundler or import map gives it: a module of exports, its default export, or, as
 * a plain script, only the global that it leaves.
 */
export async function loadGpuJs(): Promise<GpuJs> {
  let loaded: unknown;
  try {
    loaded = await import('gpu.js');
  } catch (cause) {
    throw new FlashMLAError(
      'backend-unavailable',
      "[kernels-webgl] gpu.js is not installed, or can't be loaded here; run `npm i gpu.js`.",
      { cause },
    );
  }
  const forms = [loaded, (loaded as { default?: unknown }).default, (globalThis as { GPU?: unknown }).GPU];
  const found = forms.find(isGpuJs);
  if (found) return found;
  throw new FlashMLAError(
    'backend-unavailable',
    '[kernels-webgl] what was loaded as gpu.js has no GPU, Texture and WebGL2Kernel; install gpu.js 2.24.',
  );
}

function isGpuJs(value: unknown): value is GpuJs {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false;
  return ['GPU', 'Texture', 'WebGL2Kernel'].every(
    (name) => typeof (value as Record<string, unknown>)[name] === 'function',
  );
}
