// Where measurements outlive the process: a JSON file in the user's cache directory (Node, Deno, Bun), or an IndexedDB
// (browsers: workers, which backends mostly run in, have no localStorage). Only text goes in and out; what it means is
// measured.ts's business.
//
// Errors are not caught here. Node is reached without an import of `node:` modules, so that bundlers for browsers need
// no shims.

export interface MeasurementStorage {
  /** The text stored last; undefined when there is none. */
  read(): Promise<string | undefined>;
  /** Replaces the text as a whole: a reader sees the old or the new one, never a part. */
  write(text: string): Promise<void>;
}

const databaseName = 'flashmla';
const storeName = 'kept';
const itemName = 'measurements';

/** The storage of this runtime; undefined where there is none, or where FLASHMLA_CACHE is set to nothing. */
export function defaultStorage(): MeasurementStorage | undefined {
  const node = globalThis.process;
  if (typeof node?.getBuiltinModule === 'function') {
    const folder = cacheFolder(node);
    return folder === undefined ? undefined : fileStorage(folder);
  }
  return typeof globalThis.indexedDB === 'undefined' ? undefined : databaseStorage(globalThis.indexedDB);
}

/** A file in `folder`, which is made when first written to. */
export function fileStorage(folder: string): MeasurementStorage {
  const { mkdir, readFile, rename, rm, writeFile } = globalThis.process.getBuiltinModule('node:fs/promises');
  const { join } = globalThis.process.getBuiltinModule('node:path');
  const file = join(folder, 'measurements.json');
  return {
    async read() {
      return await readFile(file, 'utf8');
    },
    async write(text) {
      await mkdir(folder, { recursive: true });
      const draft = `${file}.${globalThis.crypto.randomUUID()}`;
      try {
        await writeFile(draft, text);
        await rename(draft, file);
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },
  };
}

/** One text in one store; open only while it is used, so that it is in nobody's way. */
function databaseStorage(databases: IDBFactory): MeasurementStorage {
  async function transact<T>(mode: IDBTransactionMode, act: (store: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const opening = databases.open(databaseName);
    opening.onupgradeneeded = () => opening.result.createObjectStore(storeName);
    const database = await resultOf(opening);
    try {
      return await resultOf(act(database.transaction(storeName, mode).objectStore(storeName)));
    } finally {
      database.close();
    }
  }
  return {
    read: () => transact('readonly', (store) => store.get(itemName) as IDBRequest<string | undefined>),
    async write(text) {
      await transact('readwrite', (store) => store.put(text, itemName));
    },
  };
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function cacheFolder({ env, platform, getBuiltinModule }: NodeJS.Process): string | undefined {
  if (env.FLASHMLA_CACHE !== undefined) return env.FLASHMLA_CACHE || undefined;
  const { join } = getBuiltinModule('node:path');
  const home = getBuiltinModule('node:os').homedir();
  if (platform === 'darwin') return join(home, 'Library', 'Caches', 'flashmla');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'flashmla', 'Cache');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'flashmla');
}
