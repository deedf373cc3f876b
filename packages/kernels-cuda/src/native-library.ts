// Libraries of the system, opened at run time through koffi: an optional peer, so that whoever has none installs and runs
// this package all the same. Handles, pointers to host memory and device addresses are integers of 64 bits everywhere.

/** Where a call puts a result; host memory that does not move while it runs. */
export type Out = NodeJS.TypedArray;

/** What is used of koffi: https://koffi.dev */
export interface Koffi {
  load(path: string): NativeLibrary;
  address(value: ArrayBuffer): bigint;
  view(pointer: bigint, byteLength: number): ArrayBuffer;
  decode: { string(pointer: bigint): string };
}

export interface NativeLibrary {
  func(name: string, result: string, parameters: readonly string[]): (...args: unknown[]) => unknown;
}

/** Host memory (m), integers of 64 bits (u, l with a sign), 32 bits (w, i with a sign), sizes (z) and strings (s), as koffi says it. */
const koffiTypes = {
  m: 'void *',
  u: 'uint64_t',
  l: 'int64_t',
  i: 'int32_t',
  w: 'uint32_t',
  z: 'size_t',
  s: 'str',
} as const;

/** For each call its parameters, a letter each, and its exported name where that differs. */
export type Signatures<Calls> = { readonly [Name in keyof Calls]: readonly [parameters: string, symbol?: string] };

/** koffi, or why there is none. */
export async function loadKoffi(): Promise<Koffi | string> {
  try {
    // Native code, which no bundler shall take: `browser` in package.json keeps it out of what is built for browsers,
    // the comment out of what webpack builds for Node.
    return (await import(/* webpackIgnore: true */ 'koffi')).default as unknown as Koffi;
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_MODULE_NOT_FOUND'
      ? 'koffi is not installed, which opens the NVIDIA driver; npm i koffi'
      : `the package koffi does not load: ${(error as Error).message}`;
  }
}

/** The functions of a library that `signatures` lists; each gives a status. Bound when first called: old ones may lack some. */
export function bindCalls<Calls>(library: NativeLibrary, signatures: Signatures<Calls>): Calls {
  const calls: Record<string, (...args: unknown[]) => unknown> = {};
  for (const [name, [parameters, symbol = name]] of Object.entries<readonly [string, string?]>(signatures)) {
    calls[name] = (...args) => {
      const types = [...parameters].map((letter) => koffiTypes[letter as keyof typeof koffiTypes]);
      const bound = library.func(symbol, 'int', types);
      calls[name] = bound;
      return bound(...args);
    };
  }
  return calls as Calls;
}
