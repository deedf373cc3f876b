// Dense products by cuBLASLt: descriptors and the algorithm are made once for a product and kept.
//
// Tensors are row-major and cuBLASLt's matrices column-major, so that a [rows, features] tensor is a matrix of `features`
// rows: output = input · weightᵀ is outputᵀ = weight · inputᵀ, with the weight transposed and the input as it lies. The bias
// runs along the rows of that, as epilogues want it.

import { Cublas, type CublasApi, type MatmulAlgorithm, type MatmulDescriptors } from './cublas.ts';
import type { Driver, Handle } from './driver.ts';
import type { Product } from './plan.ts';
import { Releases, releaseEach } from './releases.ts';

/** Where the tensors of a product lie; what is not there is 0. */
export interface ProductAddresses {
  readonly input: number;
  readonly weight: number;
  readonly bias: number;
  readonly output: number;
  readonly workspace: number;
}

/** A product made ready; without an algorithm it is one that cuBLASLt does not do. */
interface Ready {
  readonly descriptors: MatmulDescriptors;
  readonly algorithm: MatmulAlgorithm | undefined;
  readonly releases: Releases;
}

/** Products that are kept: each new length has some. They take some hundred bytes of the host each. */
const mostProducts = 1024;

export class Products {
  /** 'cuBLASLt 13.1.1' */
  readonly description: string;
  readonly #cublas: Cublas;
  readonly #mostWorkspaceBytes: number;
  #handle: Handle | undefined;
  /** Runs calls with the device's context current. */
  readonly #within: <T>(work: () => T) => T;
  /** By what describes them; the one used longest ago first. */
  readonly #ready = new Map<string, Ready>();

  /** @param computeCapability of the device whose context it is, times ten */
  constructor(api: CublasApi, driver: Driver, context: Handle, computeCapability: number) {
    const { version } = api;
    this.description = `cuBLASLt ${Math.floor(version / 10000)}.${Math.floor(version / 100) % 100}.${version % 100}`;
    this.#cublas = new Cublas(api);
    // What NVIDIA recommends: https://docs.nvidia.com/cuda/cublas/#cublassetworkspace
    this.#mostWorkspaceBytes = (computeCapability >= 90 ? 32 : 4) * 2 ** 20;
    this.#within = (work) => driver.within(context, work);
    this.#handle = this.#within(() => this.#cublas.create());
  }

  /**
   * Bytes of workspace that a product takes on this device; undefined where cuBLASLt has no algorithm for it. Takes no memory
   * of the device itself.
   */
  workspaceBytes(product: Product): number | undefined {
    if (this.#handle === undefined) return undefined;
    // Asked with each op that is prepared: what is known needs no context.
    const ready = this.#ready.get(nameOf(product)) ?? this.#within(() => this.#of(product));
    return ready.algorithm?.workspaceBytes;
  }

  /** Puts a product on the stream, also on one that captures: all memory is given. Within the context. */
  launch(product: Product, addresses: ProductAddresses, stream: Handle): void {
    const { descriptors, algorithm } = this.#of(product);
    if (product.bias) this.#cublas.setBias(descriptors.operation, addresses.bias);
    const { input: b, weight: a, output, workspace } = addresses;
    const at = { a, b, output, workspace };
    this.#cublas.multiply(this.#handle!, descriptors, algorithm!, at, stream, nameOf(product));
  }

  /** Destroys all of it, within the context. @returns what failed */
  release(): unknown[] {
    const failures = [...this.#ready.values()].flatMap(({ releases }) => releases.release());
    this.#ready.clear();
    const handle = this.#handle!;
    this.#handle = undefined;
    return [...failures, ...releaseEach([handle], (each) => this.#cublas.destroy(each))];
  }

  #of(product: Product): Ready {
    const key = nameOf(product);
    const known = this.#ready.get(key);
    const ready = known ?? this.#make(product);
    if (known) this.#ready.delete(key);
    this.#ready.set(key, ready);
    if (this.#ready.size > mostProducts) {
      const [[oldestKey, oldest]] = this.#ready as unknown as [[string, Ready]];
      this.#ready.delete(oldestKey);
      for (const failure of oldest.releases.release()) throw failure;
    }
    return ready;
  }

  #make({ rows, inFeatures, outFeatures, type, bias, activation }: Product): Ready {
    const cublas = this.#cublas;
    const releases = new Releases();
    const layout = (features: number, lines: number) =>
      releases.add(cublas.createLayout(type, features, lines), (made) => cublas.destroyLayout(made));
    try {
      const epilogue = bias ? (activation === 'none' ? 'bias' : (`bias-${activation}` as const)) : activation;
      const descriptors = {
        operation: releases.add(cublas.createOperation(epilogue), (made) => cublas.destroyOperation(made)),
        a: layout(inFeatures, outFeatures),
        b: layout(inFeatures, rows),
        output: layout(outFeatures, rows),
      };
      return {
        descriptors,
        algorithm: cublas.algorithm(this.#handle!, descriptors, this.#mostWorkspaceBytes),
        releases,
      };
    } catch (error) {
      releases.release();
      throw error;
    }
  }
}

/** Names all that a product is, for people too. */
const nameOf = ({ rows, inFeatures, outFeatures, type, bias, activation }: Product): string =>
  `${rows}×${inFeatures}×${outFeatures} ${type}${bias ? ', bias' : ''}, ${activation}`;
