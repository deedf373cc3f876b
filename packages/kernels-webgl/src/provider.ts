// Probing and opening: whether this browser computes on WebGL2, and whether gpu.js is there.

import { type BackendProbe, type BackendProvider, FlashMLAError, type OpenOptions } from '@flashmla/tensor';
import { closeContext, isSoftware, openContext } from './context.ts';
import { Device } from './device.ts';
import { loadGpuJs } from './gpu-js.ts';
import { type GivenDevice, WebGLBackend } from './webgl-backend.ts';

export interface WebGLOpenOptions extends OpenOptions {
  /** Most bytes of textures; default 4 GiB. WebGL does not tell how much there is. */
  memoryBytes?: number;
}

export interface WebGLBackendProvider extends BackendProvider {
  open(options?: WebGLOpenOptions): Promise<WebGLBackend>;
}

const FEATURES = ['webgl2', 'float-textures'];
const MEMORY_BYTES = 4 * 2 ** 30;

const limitsOf = (gl: WebGL2RenderingContext, memoryBytes: number) => ({
  memoryBytes,
  maxTextureSize: gl.getParameter(gl.MAX_TEXTURE_SIZE) as number,
});

const describe = (renderer: string) => `WebGL2 through gpu.js, ${renderer}`;

/** Dozens of times slower than the CPU backend, which would be passed over for it. Who wants it all the same opens it. */
const software = (renderer: string) =>
  `WebGL2 is computed by the CPU here (${renderer}), much slower than @flashmla/kernels-cpu; turn hardware acceleration ` +
  'on, or open this backend by its provider';

export const provider: WebGLBackendProvider = {
  name: 'webgl',

  async probe(): Promise<BackendProbe> {
    const found = openContext();
    if ('reason' in found) return { available: false, reason: found.reason };
    const { gl, renderer } = found;
    try {
      await loadGpuJs();
      const description = describe(renderer);
      if (isSoftware(renderer)) return { available: false, reason: software(renderer) };
      const limits = limitsOf(gl, MEMORY_BYTES);
      return { available: true, reason: description, device: description, features: FEATURES, limits };
    } catch (error) {
      return { available: false, reason: error instanceof Error ? error.message : String(error) };
    } finally {
      closeContext(gl);
    }
  },

  async open({ signal, memoryBytes = MEMORY_BYTES }: WebGLOpenOptions = {}): Promise<WebGLBackend> {
    if (!(memoryBytes > 0)) {
      throw new FlashMLAError(
        'invalid-argument',
        `[kernels-webgl] memoryBytes is ${memoryBytes}; expected a number above 0, or leave it out for 4 GiB.`,
      );
    }
    const reopen = () => openDevice(memoryBytes);
    return new WebGLBackend({ ...(await openDevice(memoryBytes, signal)), reopen, limitBytes: memoryBytes });
  },
};

async function openDevice(memoryBytes: number, signal?: AbortSignal): Promise<GivenDevice> {
  const found = openContext();
  if ('reason' in found) throw new FlashMLAError('backend-unavailable', `[kernels-webgl] ${found.reason}.`);
  const { gl, renderer } = found;
  try {
    const gpuJs = await loadGpuJs();
    signal?.throwIfAborted();
    const info = { description: describe(renderer), features: FEATURES, limits: limitsOf(gl, memoryBytes) };
    return { device: new Device(gpuJs, gl), info };
  } catch (error) {
    closeContext(gl);
    throw error;
  }
}
