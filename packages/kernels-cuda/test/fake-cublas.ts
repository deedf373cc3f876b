// A cuBLASLt in memory, over the driver in memory: it knows which handles and descriptors live, records every product as a
// launch on the driver's stream, and fails a call, or refuses a product, when it is told to.

import type { CublasApi, CublasCalls } from '../src/cublas.ts';
import type { FakeDriver } from './fake-driver.ts';
import { FakeHandles } from './fake-handles.ts';

const codes = { success: 0, notInitialized: 1, invalidValue: 7, executionFailed: 13, notSupported: 15 };

const names: Readonly<Record<number, string>> = {
  1: 'CUBLAS_STATUS_NOT_INITIALIZED',
  3: 'CUBLAS_STATUS_ALLOC_FAILED',
  7: 'CUBLAS_STATUS_INVALID_VALUE',
  13: 'CUBLAS_STATUS_EXECUTION_FAILED',
  15: 'CUBLAS_STATUS_NOT_SUPPORTED',
};

type Kind = 'handle' | 'operation' | 'layout' | 'preference';

interface Layout {
  readonly type: number;
  readonly rows: number;
  readonly columns: number;
}

/** One product, as cublasLtMatmul was told it. */
export interface FakeProduct {
  readonly a: Layout;
  readonly b: Layout;
  readonly d: Layout;
  /** The descriptor's attributes: transposition of A, epilogue, address of the bias. */
  readonly attributes: ReadonlyMap<number, bigint>;
  readonly workspace: number;
  readonly workspaceBytes: number;
}

export class FakeCublas implements CublasApi {
  readonly calls: CublasCalls;
  readonly version = 130101;
  readonly products: FakeProduct[] = [];
  /** Whether there is an algorithm for a product whose D is [rows, columns]. */
  takes: (rows: number, columns: number) => boolean = () => true;
  readonly #driver: FakeDriver;
  readonly #handles = new FakeHandles<Kind>(0x6600_0000_0000n, codes.invalidValue);
  readonly #failures = new Map<keyof CublasCalls, number>();
  readonly #log: (keyof CublasCalls)[] = [];

  constructor(driver: FakeDriver) {
    this.#driver = driver;
    this.calls = this.#implement();
  }

  /** Lets the next call of a function fail. */
  fail(call: keyof CublasCalls, status: number): void {
    this.#failures.set(call, status);
  }

  /** Everything that was created and not destroyed. */
  get held(): Kind[] {
    return this.#handles.live.map(({ kind }) => kind);
  }

  /** Calls of one function so far. */
  count(call: keyof CublasCalls): number {
    return this.#log.filter((called) => called === call).length;
  }

  nameOf(status: number): string {
    return names[status] ?? `CUBLAS_STATUS_${status}`;
  }

  #implement(): CublasCalls {
    return Object.fromEntries(
      Object.entries(this.#plainCalls()).map(([name, plain]) => {
        const call = name as keyof CublasCalls;
        const run = (...args: unknown[]): number => {
          this.#log.push(call);
          const failure = this.#failures.get(call);
          this.#failures.delete(call);
          if (failure !== undefined) return failure;
          if (!this.#driver.hasContext) return codes.notInitialized;
          return (plain as (...given: unknown[]) => number)(...args);
        };
        return [name, run];
      }),
    ) as unknown as CublasCalls;
  }

  #plainCalls(): CublasCalls {
    const { success, invalidValue, executionFailed, notSupported } = codes;
    type Attributes = Map<number, bigint>;
    const set = (kind: Kind, handle: bigint, attribute: number, value: NodeJS.TypedArray, byteLength: number) => {
      const attributes = this.#handles.get<Attributes>(kind, handle);
      if (!attributes || value.byteLength !== byteLength) return invalidValue;
      attributes.set(attribute, BigInt(value[0]!));
      return success;
    };
    const layout = (handle: bigint) => this.#handles.get<Layout>('layout', handle);
    return {
      cublasLtCreate: (out) => this.#handles.make('handle', undefined, out),
      cublasLtDestroy: (handle) => this.#handles.drop('handle', handle),
      cublasLtMatmulDescCreate: (out) => this.#handles.make('operation', new Map(), out),
      cublasLtMatmulDescSetAttribute: (...args) => set('operation', ...args),
      cublasLtMatmulDescDestroy: (handle) => this.#handles.drop('operation', handle),
      cublasLtMatrixLayoutCreate: (out, type, rows, columns, leadingDimension) =>
        leadingDimension < rows ? invalidValue : this.#handles.make('layout', { type, rows, columns }, out),
      cublasLtMatrixLayoutDestroy: (handle) => this.#handles.drop('layout', handle),
      cublasLtMatmulPreferenceCreate: (out) => this.#handles.make('preference', new Map(), out),
      cublasLtMatmulPreferenceSetAttribute: (...args) => set('preference', ...args),
      cublasLtMatmulPreferenceDestroy: (handle) => this.#handles.drop('preference', handle),
      cublasLtMatmulAlgoGetHeuristic: (_handle, _operation, _a, _b, _c, d, _preference, _wanted, results, found) => {
        const { rows, columns } = layout(d)!;
        if (!this.takes(rows, columns)) return notSupported;
        const result = new DataView(results.buffer);
        result.setInt32(0, rows, true);
        result.setBigUint64(64, 3n * 2n ** 20n, true);
        found[0] = 1;
        return success;
      },
      cublasLtMatmul: (_handle, operation, _alpha, a, aLayout, b, bLayout, _beta, ...rest) => {
        const [, , output, dLayout, algorithm, workspace, workspaceBytes, stream] = rest;
        const d = layout(dLayout);
        const attributes = this.#handles.get<Attributes>('operation', operation);
        if (!attributes || !d || new DataView(algorithm.buffer).getInt32(0, true) !== d.rows) return invalidValue;
        this.products.push({
          ...{ a: layout(aLayout)!, b: layout(bLayout)!, d, workspace, workspaceBytes },
          attributes: new Map(attributes),
        });
        const launch = { kernel: 'cublasLtMatmul', grid: [], block: [], sharedBytes: 0, byGraph: false };
        // In the order of the bindings of a kernel of our own.
        const given = [b, a, 0, output].map(BigInt);
        return this.#driver.launchOn(stream, { ...launch, arguments: given }) === 0 ? success : executionFailed;
      },
    };
  }
}
