// From the options of a command to an open backend and a loaded model, which end when the command does.

import { fileURLToPath } from 'node:url';
import { type SelectOptions, selectBackend } from '@flashmla/backend';
import { type EncoderModel, loadModel } from '@flashmla/model-swap';
import type { Backend, Problem } from '@flashmla/tensor';
import type { Context } from './command.ts';
import { badInput } from './errors.ts';
import { parseBackend, parseDType, parseWhole } from './options.ts';

interface BackendValues {
  readonly backend?: string;
  readonly threads?: string;
  readonly dtype?: string;
}

/** Opens the backend that the options ask for, and disposes it when `use` is done. */
export async function withBackend<Result>(
  values: BackendValues,
  { signal }: Context,
  use: (backend: Backend) => Promise<Result>,
  /** What it has to compute, where it is not named. */
  problems: readonly Problem[] = [],
): Promise<Result> {
  const backend = await selectBackend({ ...choiceOf(values), signal, problems, dtype: parseDType(values.dtype) });
  try {
    return await use(backend);
  } finally {
    await backend.dispose();
  }
}

/** Loads the model that the options name onto the backend they ask for, and disposes both when `use` is done. */
export async function withModel<Result>(
  values: BackendValues & { readonly model?: string },
  { signal, progress }: Context,
  use: (model: EncoderModel) => Promise<Result>,
): Promise<Result> {
  const backend = choiceOf(values);
  // Without --dtype it is what was chosen for the model.
  const dtype = values.dtype === undefined ? undefined : parseDType(values.dtype);
  if (values.model === '') throw badInput('--model is empty; give a Hugging Face model folder or its URL.');
  const folder = values.model ?? (await shippedModel());
  progress.start('loading the model');
  const model = await loadModel(folder, {
    ...{ backend, signal, progress: ({ done, total }) => progress.update(done / total) },
    ...(dtype && { dtype }),
  });
  progress.stop();
  try {
    return await use(model);
  } finally {
    await model.dispose();
  }
}

/** How the options choose a backend. */
function choiceOf({ backend, threads }: BackendValues): Pick<SelectOptions, 'require' | 'threads'> {
  const require = parseBackend(backend);
  const count = parseWhole('threads', threads, 1);
  return { ...(require !== undefined && { require }), ...(count !== undefined && { threads: count }) };
}

/** The folder of the model that can be installed beside the command line. */
export async function shippedModel(): Promise<string> {
  try {
    const { modelUrl } = await import('@flashmla/model-sentiment');
    return fileURLToPath(modelUrl);
  } catch (cause) {
    throw badInput(
      '--model is missing, and the model to use without it is not installed; give a Hugging Face model folder, or run ' +
        '`npm install @flashmla/model-sentiment` beside flashmla.',
      { cause },
    );
  }
}
