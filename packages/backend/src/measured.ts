// A cache of what was measured on a device: in memory, and in a storage that outlives the process.
//
// It can only save time, never break anything: what is missing, unreadable, of another version or too old is measured
// again, and a storage that can't be written to is left alone. Two processes that write at once may lose one entry of
// each other's, which is then measured again; neither can leave a broken file (the storage replaces it as a whole).

import type { Backend } from '@flashmla/tensor';
import { defaultStorage, type MeasurementStorage } from './measurement-storage.ts';

/** Raised when the shape of the stored document changes. */
const version = 1;
/** Kernels, drivers and machines change; a figure is not trusted for ever. */
const lifetimeMs = 30 * 24 * 3600 * 1000;

interface Entry {
  readonly value: unknown;
  readonly measuredAt: number;
}

interface StoredDocument {
  readonly version: typeof version;
  /** Device → key → entry. */
  readonly devices: Record<string, Record<string, Entry>>;
}

export class Measurements {
  readonly #storage: () => MeasurementStorage | undefined;
  readonly #values = new Map<string, Promise<unknown>>();
  #lastWrite: Promise<void> = Promise.resolve();

  constructor(storage: () => MeasurementStorage | undefined) {
    this.#storage = storage;
  }

  /** @param device what it is a measurement of: the same text in every process, and another for another device */
  get<T>(device: string, key: string, measure: () => Promise<T>, accepts: (value: unknown) => value is T): Promise<T> {
    const name = `${device}\n${key}`;
    const known = this.#values.get(name);
    if (known) return known as Promise<T>;
    const value = this.#recallOrMeasure(device, key, measure, accepts);
    this.#values.set(name, value);
    value.catch(() => this.#values.delete(name));
    return value;
  }

  async #recallOrMeasure<T>(
    device: string,
    key: string,
    measure: () => Promise<T>,
    accepts: (value: unknown) => value is T,
  ): Promise<T> {
    const entry = (await load(this.#storage)).devices[device]?.[key];
    if (entry && isFresh(entry) && accepts(entry.value)) return entry.value;
    const value = await measure();
    this.#lastWrite = this.#lastWrite.then(() => save(this.#storage, device, key, value));
    await this.#lastWrite;
    return value;
  }
}

export const measurements = new Measurements(defaultStorage);

/**
 * The value of a measurement, taken once per device and key.
 *
 * Concurrent calls share one measurement; a failed one is not remembered. Values are JSON. They persist for 30 days: in
 * Node in the user's cache directory (the environment variable FLASHMLA_CACHE names another folder, empty = nothing is
 * kept), in browsers in an IndexedDB of the page's origin, which workers have too.
 *
 * @param key what was measured, in full: sizes, options, the algorithm
 * @param measure takes the measurement; its errors are passed on
 * @param accepts whether a stored value is still of the right kind; default: any is
 */
export function measured<T>(
  backend: Backend,
  key: string,
  measure: () => Promise<T>,
  accepts: (value: unknown) => value is T = (_value): _value is T => true,
): Promise<T> {
  return measurements.get(deviceKey(backend), key, measure, accepts);
}

export function deviceKey({ name, device }: Backend): string {
  return [name, device.description, ...device.features, `threads=${device.threads ?? 'unknown'}`].join(' | ');
}

async function load(storage: () => MeasurementStorage | undefined): Promise<StoredDocument> {
  try {
    const parsed: unknown = JSON.parse((await storage()?.read()) ?? 'null');
    if (isDocument(parsed)) return parsed;
  } catch {
    // Nothing readable is the same as nothing: it is measured again.
  }
  return { version, devices: {} };
}

/** Reads again before it writes, so that what other processes added since is kept. */
async function save(
  storage: () => MeasurementStorage | undefined,
  device: string,
  key: string,
  value: unknown,
): Promise<void> {
  const { devices } = await load(storage);
  const entry: Entry = { value, measuredAt: Date.now() };
  const text = JSON.stringify({ version, devices: { ...devices, [device]: { ...devices[device], [key]: entry } } });
  try {
    await storage()?.write(text);
  } catch {
    // A read-only disk or a full quota costs the next process a measurement, nothing more.
  }
}

function isDocument(value: unknown): value is StoredDocument {
  return (
    isRecord(value) &&
    value.version === version &&
    isRecord(value.devices) &&
    Object.values(value.devices).every((entries) => isRecord(entries) && Object.values(entries).every(isEntry))
  );
}

function isEntry(value: unknown): value is Entry {
  return isRecord(value) && 'value' in value && typeof value.measuredAt === 'number';
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isFresh({ measuredAt }: Entry): boolean {
  const ageMs = Date.now() - measuredAt;
  return ageMs >= 0 && ageMs < lifetimeMs;
}
