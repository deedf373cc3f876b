// The device: textures, the programs that gpu.js makes of shaders, and their runs.
//
// gpu.js compiles, binds and draws; which texture lies where, uploading and reading back are done here on its context.
// It keeps the texture of a kernel's last run, and would write to it again: each run is given one of its own, which then
// belongs to the caller, and the kernel is left with one of two texels.

import { FlashMLAError } from '@flashmla/tensor';
import { closeContext } from './context.ts';
import type { Gpu, GpuJs, GpuKernel, GpuTexture } from './gpu-js.ts';
import { textureSize, widthBits } from './layout.ts';
import { channelsOf, type Shader } from './shader.ts';

/** A texture, and how many elements of how many floats each are in it. */
export interface Elements {
  readonly texture: WebGLTexture;
  readonly elements: number;
  readonly channels: 1 | 2;
}

/**
 * gpu.js silently cuts loops that it translates off at this, 1000 if nothing is said. The loops of shaders are GLSL, which
 * it does not translate; should one be written in JavaScript, it is not cut.
 */
const LOOP_MAX_ITERATIONS = 2 ** 31 - 1;

/** Reads that are done at once are answered at once; those that are not must not keep the page's thread busy. */
const QUICK_POLLS = 50;

export class Device {
  readonly maxTextureSize: number;
  readonly #gpuJs: GpuJs;
  readonly #gpu: Gpu;
  readonly #gl: WebGL2RenderingContext;
  readonly #kernels = new Map<string, GpuKernel>();
  readonly #framebuffer: WebGLFramebuffer;
  /** What a shader is given for a texture that the problem has not. */
  readonly #none: Elements;
  #closed = false;

  constructor(gpuJs: GpuJs, gl: WebGL2RenderingContext) {
    this.#gpuJs = gpuJs;
    this.#gl = gl;
    // Instead of the context's canvas: gpu.js makes that as large as the largest texture, in memory that nobody looks at.
    this.#gpu = new gpuJs.GPU({ mode: 'webgl2', canvas: { width: 1, height: 1 }, context: gl });
    this.maxTextureSize = gl.getParameter(gl.MAX_TEXTURE_SIZE);
    this.#framebuffer = gl.createFramebuffer();
    this.#none = this.upload(new Float32Array(1), 1);
  }

  /** A texture with these floats. */
  upload(floats: Float32Array, channels: 1 | 2): Elements {
    const gl = this.#gl;
    const texture = this.#create(floats.length);
    const { width } = textureSize(floats.length, this.maxTextureSize);
    gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
    const whole = Math.floor(floats.length / (4 * width));
    if (whole > 0) gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, whole, gl.RGBA, gl.FLOAT, floats);
    const rest = floats.subarray(4 * width * whole);
    if (rest.length > 0) {
      const texels = Math.ceil(rest.length / 4);
      const row = new Float32Array(4 * texels);
      row.set(rest);
      gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, whole, texels, 1, gl.RGBA, gl.FLOAT, row);
    }
    return { texture, elements: floats.length / channels, channels };
  }

  /** Runs a shader over `elements` elements; the texture that comes of it belongs to the caller. */
  run(shader: Shader, elements: number, values: Readonly<Record<string, Elements | number | undefined>>): Elements {
    const channels = channelsOf(shader);
    const { width, height } = textureSize(elements * channels, this.maxTextureSize);
    const kernel = this.#kernel(shader);
    const given = shader.parameters.map(({ name, kind }) => {
      const value = values[name];
      if (kind === 'sampler2D') return this.#wrap((value as Elements | undefined) ?? this.#none);
      if (typeof value === 'number') return value;
      throw new FlashMLAError('backend-failed', `[kernels-webgl] ${shader.name} was given no ${name}; report this.`);
    });
    const texture = this.#onWebGL2(shader, kernel, () => {
      kernel.setOutput([width, height]);
      return kernel(...given, elements).texture;
    });
    // gpu.js counts who holds a texture: one more than the kernel, and the kernel lets go of it without deleting it.
    texture._refs = (texture._refs ?? 1) + 1;
    kernel.setOutput([1, 2]);
    texture._refs = 0;
    return { texture, elements, channels };
  }

  /** The floats; everything that was run before is done by then. */
  async read({ texture, elements, channels }: Elements): Promise<Float32Array> {
    const gl = this.#gl;
    const floats = elements * channels;
    const { width } = textureSize(floats, this.maxTextureSize);
    const rows = Math.ceil(floats / (4 * width));
    const pixels = new Float32Array(4 * width * rows);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const buffer = gl.createBuffer();
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
    gl.bufferData(gl.PIXEL_PACK_BUFFER, pixels.byteLength, gl.STREAM_READ);
    gl.readPixels(0, 0, width, rows, gl.RGBA, gl.FLOAT, 0);
    gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, null, 0);
    try {
      await this.finish();
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, buffer);
      gl.getBufferSubData(gl.PIXEL_PACK_BUFFER, 0, pixels);
      gl.bindBuffer(gl.PIXEL_PACK_BUFFER, null);
    } finally {
      gl.deleteBuffer(buffer);
    }
    return pixels.slice(0, floats);
  }

  /** A fence behind all that was run so far, for `reached`. */
  mark(): WebGLSync {
    const gl = this.#gl;
    this.checkAlive();
    const fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    gl.flush();
    return fence!;
  }

  /** Resolves when all that was run before the fence is done. */
  async reached(fence: WebGLSync): Promise<void> {
    const gl = this.#gl;
    try {
      for (let poll = 0; ; poll++) {
        this.checkAlive();
        const status = gl.clientWaitSync(fence, 0, 0);
        if (status !== gl.TIMEOUT_EXPIRED) break;
        await nextTask(poll < QUICK_POLLS);
      }
    } finally {
      gl.deleteSync(fence);
    }
  }

  /** Resolves when all that was run is done; rejects when the device failed at it. */
  async finish(): Promise<void> {
    const gl = this.#gl;
    await this.reached(this.mark());
    this.checkAlive();
    const error = gl.getError();
    if (error === gl.NO_ERROR) return;
    const what = error === gl.OUT_OF_MEMORY ? 'it is out of memory; shorten the input' : `WebGL error ${error}`;
    throw new FlashMLAError('backend-failed', `[kernels-webgl] the GPU failed: ${what}, or use another backend.`);
  }

  delete({ texture }: Elements): void {
    this.#gl.deleteTexture(texture);
  }

  /** Whether the browser took the GPU away. */
  get lost(): boolean {
    return !this.#closed && this.#gl.isContextLost();
  }

  /** Raises once the device is closed or the browser took the GPU away. */
  checkAlive(): void {
    if (this.#closed) throw new FlashMLAError('disposed', '[kernels-webgl] the backend was disposed; open another.');
    if (this.lost) {
      throw new FlashMLAError(
        'device-lost',
        '[kernels-webgl] the browser took the GPU away (context lost), and with it what was under way. Run it again: models ' +
          'and modules recover by themselves, who calls the backend calls recover() first.',
      );
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#gpu.destroy();
    closeContext(this.#gl);
  }

  #create(floats: number): WebGLTexture {
    const gl = this.#gl;
    const { width, height } = textureSize(floats, this.maxTextureSize);
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, width, height);
    // Float textures are not filterable: with the default filter they would read as black.
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }

  /** As gpu.js takes textures that it did not make. */
  #wrap({ texture, elements, channels }: Elements): GpuTexture {
    const { width, height } = textureSize(elements * channels, this.maxTextureSize);
    return new this.#gpuJs.Texture({
      texture,
      size: [width, height],
      dimensions: [width, height, 1],
      output: [width, height],
      context: this.#gl,
      kernel: this,
      type: ARGUMENT_TYPES.sampler2D,
    });
  }

  #kernel(shader: Shader): GpuKernel {
    let kernel = this.#kernels.get(shader.name);
    if (!kernel) {
      kernel = this.#gpu.createKernel(callOf(shader), {
        nativeFunctions: [{ name: 'run', ...this.#entryOf(shader) }],
        argumentTypes: Object.fromEntries([...typesOf(shader), ['count', 'Integer']]),
        returnType: RETURN_TYPE,
        output: [1, 2],
        precision: 'single',
        tactic: 'precision',
        pipeline: true,
        dynamicOutput: true,
        dynamicArguments: true,
        strictIntegers: true,
        loopMaxIterations: LOOP_MAX_ITERATIONS,
      });
      this.#kernels.set(shader.name, kernel);
    }
    return kernel;
  }

  /** The shader, and the function that finds out which texel it is at and what is in it. */
  #entryOf(shader: Shader) {
    const parameters = shader.parameters.map(({ name, kind }) =>
      kind === 'sampler2D' ? `sampler2D ${name}, ivec2 ${name}Size, ivec3 ${name}Dim` : `${kind} ${name}`,
    );
    const names = shader.parameters.map(({ name }) => name);
    const source = [
      `const int WIDTH_BITS = ${widthBits(this.maxTextureSize)};`,
      shader.source,
      `vec4 run(${[...parameters, 'int count', 'int threadX', 'int threadY'].join(', ')}) {`,
      `  int i = (threadX + (threadY << WIDTH_BITS)) * ${4 / channelsOf(shader)};`,
      '  vec4 texel = vec4(0.0);',
      `  ${FILL[shader.returns]((i) => `element(${[i, ...names].join(', ')})`)}`,
      '  return texel;',
      '}',
    ].join('\n');
    const argumentTypes = [...typesOf(shader), ['count', 'Integer'], ['threadX', 'Integer'], ['threadY', 'Integer']];
    return { source, argumentTypes: Object.fromEntries(argumentTypes), returnType: RETURN_TYPE };
  }

  /** What `run` gives. gpu.js would fall back to JavaScript on the CPU with a warning; here that is an error. */
  #onWebGL2<Result>(shader: Shader, kernel: GpuKernel, run: () => Result): Result {
    let cause: unknown;
    try {
      const result = run();
      if (this.#gpu.mode === 'webgl2' && kernel.kernel instanceof this.#gpuJs.WebGL2Kernel) return result;
    } catch (error) {
      cause = error;
    }
    this.checkAlive();
    const why = cause instanceof Error ? cause.message : `it took ${kernel.kernel.constructor.name}`;
    throw new FlashMLAError(
      'backend-failed',
      `[kernels-webgl] gpu.js did not run ${shader.name} on WebGL2: ${why}. Use another backend, and report this.`,
      { cause },
    );
  }
}

const RETURN_TYPE = 'Array(4)';
const ARGUMENT_TYPES = { sampler2D: 'ArrayTexture(4)', int: 'Integer', float: 'Float' } as const;

/** GLSL that fills `texel` with the elements from i on, of which there are `count`. */
const FILL = {
  float: (call: (i: string) => string) =>
    `for (int lane = 0; lane < 4; lane++) if (i + lane < count) texel[lane] = ${call('i + lane')};`,
  vec2: (call: (i: string) => string) =>
    `if (i < count) texel.xy = ${call('i')};\n  if (i + 1 < count) texel.zw = ${call('i + 1')};`,
  vec4: (call: (i: string) => string) => `if (i < count) texel = ${call('i')};`,
};

const typesOf = ({ parameters }: Shader): [string, string][] =>
  parameters.map(({ name, kind }) => [name, ARGUMENT_TYPES[kind]]);

/** The JavaScript that gpu.js translates: nothing but the call. As text, since a minifier may rename what it takes apart. */
function callOf({ parameters }: Shader): string {
  const names = [...parameters.map(({ name }) => name), 'count'].join(', ');
  return `function (${names}) { return run(${names}, this.thread.x, this.thread.y); }`;
}

/** Lets the page do something else: at once, or after a moment. */
function nextTask(quick: boolean): Promise<void> {
  if (!quick) return new Promise((resolve) => setTimeout(resolve, 1));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(0);
  });
}
