// cuBLASLt: what this package calls of it, where it comes from, and a face on which every call is checked.
//
// It comes with the CUDA toolkit, and with PyTorch's packages; it is opened when a backend is, if it is there. Signatures and
// numbers are those of cublasLt.h, the same in CUDA 12 and 13.

import { CublasError } from './cublas-error.ts';
import type { Handle } from './driver.ts';
import { bindCalls, loadKoffi, type NativeLibrary, type Out, type Signatures } from './native-library.ts';

/** The functions. Each gives a cublasStatus_t. */
export interface CublasCalls {
  cublasLtCreate(handle: Out): number;
  cublasLtDestroy(handle: Handle): number;
  cublasLtMatmulDescCreate(descriptor: Out, computeType: number, scaleType: number): number;
  cublasLtMatmulDescSetAttribute(descriptor: Handle, attribute: number, value: Out, byteLength: number): number;
  cublasLtMatmulDescDestroy(descriptor: Handle): number;
  cublasLtMatrixLayoutCreate(
    layout: Out,
    type: number,
    rows: number,
    columns: number,
    leadingDimension: number,
  ): number;
  cublasLtMatrixLayoutDestroy(layout: Handle): number;
  cublasLtMatmulPreferenceCreate(preference: Out): number;
  cublasLtMatmulPreferenceSetAttribute(preference: Handle, attribute: number, value: Out, byteLength: number): number;
  cublasLtMatmulPreferenceDestroy(preference: Handle): number;
  cublasLtMatmulAlgoGetHeuristic(
    handle: Handle,
    descriptor: Handle,
    ...rest: [a: Handle, b: Handle, c: Handle, d: Handle, preference: Handle, wanted: number, results: Out, found: Out]
  ): number;
  cublasLtMatmul(
    handle: Handle,
    descriptor: Handle,
    alpha: Out,
    a: number,
    aLayout: Handle,
    b: number,
    bLayout: Handle,
    beta: Out,
    ...rest: [
      ...[c: number, cLayout: Handle, d: number, dLayout: Handle],
      ...[algorithm: Out, workspace: number, workspaceBytes: number, stream: Handle],
    ]
  ): number;
}

/** cuBLASLt as a library offers it. Tests put one in memory here. */
export interface CublasApi {
  readonly calls: CublasCalls;
  /** 13.1.1 is 130101. */
  readonly version: number;
  /** The name of a cublasStatus_t: 'CUBLAS_STATUS_NOT_SUPPORTED'. */
  nameOf(status: number): string;
}

export const cublasSignatures: Signatures<CublasCalls> = {
  cublasLtCreate: ['m'],
  cublasLtDestroy: ['u'],
  cublasLtMatmulDescCreate: ['mii'],
  cublasLtMatmulDescSetAttribute: ['uimz'],
  cublasLtMatmulDescDestroy: ['u'],
  cublasLtMatrixLayoutCreate: ['miuul'],
  cublasLtMatrixLayoutDestroy: ['u'],
  cublasLtMatmulPreferenceCreate: ['m'],
  cublasLtMatmulPreferenceSetAttribute: ['uimz'],
  cublasLtMatmulPreferenceDestroy: ['u'],
  cublasLtMatmulAlgoGetHeuristic: ['uuuuuuuimm'],
  cublasLtMatmul: ['uumuuuumuuuumuzu'],
};

/** By the platform, the newest first. A driver for CUDA 13 runs what was built for 12. */
const libraries: Readonly<Partial<Record<NodeJS.Platform, readonly string[]>>> = {
  linux: ['libcublasLt.so.13', 'libcublasLt.so.12'],
  win32: ['cublasLt64_13.dll', 'cublasLt64_12.dll'],
};

/**
 * cuBLASLt of this machine, or why there is none.
 *
 * @param path of the library; default: by its names, from where the system looks for libraries
 */
export async function openCublas(path?: string): Promise<CublasApi | string> {
  const koffi = await loadKoffi();
  if (typeof koffi === 'string') return koffi;
  const files = path === undefined ? (libraries[process.platform] ?? []) : [path];
  let reason = '';
  for (const file of files) {
    try {
      return bind(koffi.load(file));
    } catch (error) {
      reason = (error as Error).message;
    }
  }
  return `${files.join(' or ')} does not load (${reason})`;
}

function bind(library: NativeLibrary): CublasApi {
  const nameOf = library.func('cublasLtGetStatusName', 'str', ['int']);
  return {
    calls: bindCalls(library, cublasSignatures),
    version: Number(library.func('cublasLtGetVersion', 'size_t', [])()),
    nameOf: (status) => String(nameOf(status)),
  };
}

/** cudaDataType_t */
export const dataTypes = { f32: 0, f16: 2, bf16: 14 } as const;
/** cublasLtEpilogue_t */
export const epilogues = { none: 1, relu: 2, bias: 4, 'bias-relu': 6, 'gelu-tanh': 32, 'bias-gelu-tanh': 36 } as const;

/** CUBLAS_COMPUTE_32F: what is called float32 is computed in it, not in TF32. */
const compute32 = 68;
const transposed = 1;
/** cublasLtMatmulDescAttributes_t */
const descriptorAttributes = { transposeA: 3, epilogue: 7, biasPointer: 8 } as const;
const maxWorkspaceBytes = 1;
/** cublasLtMatmulHeuristicResult_t: the algorithm, 64 bytes; a size_t, its workspace; an int, whether it will do; and more. */
const heuristic = { byteLength: 96, workspaceAt: 64, stateAt: 72 } as const;
/** What says that there is no algorithm for a product: this type or alignment, or this GPU. */
const refusals: ReadonlySet<number> = new Set([8, 15]);

/** The descriptors of a matrix product; `bias` changes with each launch. */
export interface MatmulDescriptors {
  readonly operation: Handle;
  readonly a: Handle;
  readonly b: Handle;
  readonly output: Handle;
}

/** How a product is computed. */
export interface MatmulAlgorithm {
  /** A cublasLtMatmulAlgo_t, at the beginning of more. */
  readonly bytes: Out;
  readonly workspaceBytes: number;
}

/** cuBLASLt with every call checked: what fails raises a CublasError. */
export class Cublas {
  readonly api: CublasApi;

  constructor(api: CublasApi) {
    this.api = api;
  }

  create(): Handle {
    return this.#made('cublasLtCreate');
  }

  destroy(handle: Handle): void {
    this.#call('cublasLtDestroy', handle);
  }

  /** D = epilogue(Aᵀ · B), all of it column-major, accumulated in float32. */
  createOperation(epilogue: keyof typeof epilogues): Handle {
    const operation = this.#made('cublasLtMatmulDescCreate', compute32, dataTypes.f32);
    try {
      this.#setOperation(operation, 'transposeA', Int32Array.of(transposed));
      this.#setOperation(operation, 'epilogue', Int32Array.of(epilogues[epilogue]));
      return operation;
    } catch (error) {
      this.destroyOperation(operation);
      throw error;
    }
  }

  setBias(operation: Handle, address: number): void {
    this.#setOperation(operation, 'biasPointer', BigUint64Array.of(BigInt(address)));
  }

  destroyOperation(operation: Handle): void {
    this.#call('cublasLtMatmulDescDestroy', operation);
  }

  /** A column-major matrix whose columns follow each other. */
  createLayout(type: keyof typeof dataTypes, rows: number, columns: number): Handle {
    return this.#made('cublasLtMatrixLayoutCreate', dataTypes[type], rows, columns, rows);
  }

  destroyLayout(layout: Handle): void {
    this.#call('cublasLtMatrixLayoutDestroy', layout);
  }

  /** The algorithm that is thought the fastest with so much workspace; undefined where there is none. */
  algorithm(
    handle: Handle,
    { operation, a, b, output }: MatmulDescriptors,
    mostWorkspaceBytes: number,
  ): MatmulAlgorithm | undefined {
    const preference = this.#made('cublasLtMatmulPreferenceCreate');
    try {
      const most = BigUint64Array.of(BigInt(mostWorkspaceBytes));
      this.#call('cublasLtMatmulPreferenceSetAttribute', preference, maxWorkspaceBytes, most, most.byteLength);
      const result = new Uint8Array(new ArrayBuffer(heuristic.byteLength));
      const found = new Int32Array(1);
      const descriptors = [a, b, output, output] as const;
      const { cublasLtMatmulAlgoGetHeuristic: ask } = this.api.calls;
      const status = ask(handle, operation, ...descriptors, preference, 1, result, found);
      if (!refusals.has(status)) this.#check('cublasLtMatmulAlgoGetHeuristic', status);
      const view = new DataView(result.buffer);
      if (status !== 0 || found[0] === 0 || view.getInt32(heuristic.stateAt, true) !== 0) return undefined;
      return { bytes: result, workspaceBytes: Number(view.getBigUint64(heuristic.workspaceAt, true)) };
    } finally {
      this.#call('cublasLtMatmulPreferenceDestroy', preference);
    }
  }

  /** Puts a product on the stream. @param about the product, for errors */
  multiply(
    handle: Handle,
    { operation, a, b, output }: MatmulDescriptors,
    algorithm: MatmulAlgorithm,
    addresses: { readonly a: number; readonly b: number; readonly output: number; readonly workspace: number },
    stream: Handle,
    about: string,
  ): void {
    const { cublasLtMatmul: multiply } = this.api.calls;
    const into = [addresses.output, output, addresses.output, output] as const;
    const status = multiply(
      ...[handle, operation, one, addresses.a, a, addresses.b, b, zero],
      ...[...into, algorithm.bytes, addresses.workspace, algorithm.workspaceBytes, stream],
    );
    this.#check('cublasLtMatmul', status, about);
  }

  #setOperation(operation: Handle, attribute: keyof typeof descriptorAttributes, value: Out): void {
    this.#call('cublasLtMatmulDescSetAttribute', operation, descriptorAttributes[attribute], value, value.byteLength);
  }

  /** A call that puts a handle at its first parameter. */
  #made<Name extends keyof CublasCalls>(
    name: Name,
    ...args: Parameters<CublasCalls[Name]> extends [Out, ...infer Rest] ? Rest : never
  ): Handle {
    const made = new BigUint64Array(1);
    this.#check(name, (this.api.calls[name] as (...args: unknown[]) => number)(made, ...args));
    return made[0]!;
  }

  #call<Name extends keyof CublasCalls>(name: Name, ...args: Parameters<CublasCalls[Name]>): void {
    this.#check(name, (this.api.calls[name] as (...args: unknown[]) => number)(...args));
  }

  #check(call: keyof CublasCalls, status: number, about?: string): void {
    if (status !== 0) throw new CublasError(call, status, this.api.nameOf(status), about);
  }
}

/** α and β, on the host. */
const one = Float32Array.of(1);
const zero = Float32Array.of(0);
