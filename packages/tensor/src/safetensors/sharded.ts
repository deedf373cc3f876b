// A model in several safetensors files, found by its index (`model.safetensors.index.json`, Hugging Face's layout):
// { "metadata": {…}, "weight_map": { "<tensor>": "<file>" } }. A shard is opened when a tensor of it is asked for.

import { invalidFile, isJsonObject, quote } from './invalid-file.ts';
import {
  type ByteSource,
  missingTensor,
  openSafetensors,
  type SafetensorsReader,
  type TensorReader,
} from './reader.ts';

/** An open set of safetensors files. */
export interface ShardedReader extends TensorReader {
  /** File names of the shards, each once. */
  readonly shards: readonly string[];
}

/**
 * Reads a shard index; opens no shard yet.
 *
 * @param index text of the index file
 * @param openShard gives the bytes of the shard of that file name, which lies beside the index; called once a shard
 *   (again only after a failure)
 * @param fileName of the index, for messages
 * @throws FlashMLAError 'invalid-file' for an index that makes no sense; later, on info() and read(), for a tensor that
 *   the index or its shard lacks and for a shard that can't be opened
 */
export function openShardedSafetensors(
  index: string,
  openShard: (fileName: string) => ByteSource | Promise<ByteSource>,
  fileName = 'model.safetensors.index.json',
): ShardedReader {
  const shardOf = parseIndex(index, fileName);
  const names = [...shardOf.keys()];
  const opened = new Map<string, Promise<SafetensorsReader>>();

  const openOnce = (shard: string, tensorName: string): Promise<SafetensorsReader> => {
    let reader = opened.get(shard);
    if (!reader) {
      reader = open(shard, tensorName);
      opened.set(shard, reader);
      reader.catch(() => opened.delete(shard));
    }
    return reader;
  };

  const open = async (shard: string, tensorName: string): Promise<SafetensorsReader> => {
    let source: ByteSource;
    try {
      source = await openShard(shard);
    } catch (cause) {
      if (cause instanceof Error && cause.name === 'AbortError') throw cause;
      throw invalidFile(
        fileName,
        `shard '${shard}', which holds tensor '${tensorName}', can't be opened ` +
          `(${cause instanceof Error ? cause.message : String(cause)}); put it beside the index.`,
        { cause },
      );
    }
    return openSafetensors(source, source.name ?? shard);
  };

  const readerOf = async (name: string): Promise<SafetensorsReader> => {
    const shard = shardOf.get(name);
    if (shard === undefined) throw missingTensor(fileName, name, names);
    const reader = await openOnce(shard, name);
    if (!reader.names.includes(name)) {
      throw invalidFile(
        fileName,
        `tensor '${name}' should be in shard '${shard}', but is not; index and shards do not belong together.`,
      );
    }
    return reader;
  };

  return {
    names,
    shards: [...new Set(shardOf.values())],
    info: async (name) => (await readerOf(name)).info(name),
    read: async (name) => (await readerOf(name)).read(name),
  };
}

function parseIndex(text: string, fileName: string): Map<string, string> {
  let index: unknown;
  try {
    index = JSON.parse(text);
  } catch (cause) {
    throw invalidFile(fileName, 'the shard index is not JSON; the file is damaged.', { cause });
  }
  const weightMap = isJsonObject(index) ? index.weight_map : undefined;
  if (!isJsonObject(weightMap)) {
    throw invalidFile(fileName, 'the shard index has no "weight_map" object, from tensor names to file names.');
  }
  const shardOf = new Map<string, string>();
  for (const [name, shard] of Object.entries(weightMap)) {
    // An index comes from strangers: it may name files beside itself, and none elsewhere on the disk.
    if (typeof shard !== 'string' || !/^[^/\\:]+$/.test(shard) || shard === '.' || shard === '..') {
      throw invalidFile(
        fileName,
        `tensor '${name}' is mapped to ${quote(shard)}, but the name of a file beside the index was expected.`,
      );
    }
    shardOf.set(name, shard);
  }
  return shardOf;
}
