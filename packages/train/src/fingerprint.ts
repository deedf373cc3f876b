// Which training a checkpoint is of.

import type { TrainableModel } from './model.ts';

/** The SHA-256 of what decides a training but for the tokens themselves: model, lengths of the examples, options. */
export async function fingerprint(model: TrainableModel, lengths: Int32Array, options: object): Promise<string> {
  const shapes = model.parameters.map(({ name, tensor }) => [name, tensor.shape]);
  const text = JSON.stringify([model.config, model.head.name, shapes, options, [...lengths]]);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
