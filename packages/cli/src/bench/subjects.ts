// What can be measured: attention alone, a layer, a whole text model. From a subject and sizes to workloads on a backend.

import { basename } from 'node:path';
import { loadModel, type ModelSource, readModel } from '@flashmla/model-swap';
import { type Backend, floatsOf } from '@flashmla/tensor';
import {
  attentionWorkloads,
  bertBase,
  EncoderWorkloads,
  type Geometry,
  ModelWorkloads,
  randomBert,
  type Workload,
} from '@flashmla/workloads';
import { badInput } from '../errors.ts';
import type { parseDType } from '../options.ts';
import { geometryOf } from './geometry.ts';

export const subjects = ['attention', 'layer', 'model'] as const;
export type Subject = (typeof subjects)[number];

export interface SubjectRequest {
  readonly subject: Subject;
  /** The folder of `model`, or of the model whose sizes the others take. */
  readonly source: string | undefined;
  readonly dtype: ReturnType<typeof parseDType>;
  /** The longest that will be asked for. */
  readonly longest: number;
  readonly hasPeers: boolean;
  readonly signal: AbortSignal;
}

export interface OpenedSubject extends AsyncDisposable {
  readonly geometry: Geometry;
  /** What was measured, in a word. */
  readonly model: string;
  workloadOf(tokens: number, k: number, batch: number): Workload;
}

export function openSubject(backend: Backend, request: SubjectRequest): Promise<OpenedSubject> {
  return request.subject === 'model' ? openModel(backend, request) : openLayers(backend, request);
}

async function openModel(backend: Backend, request: SubjectRequest): Promise<OpenedSubject> {
  const { source, dtype, longest, hasPeers, signal } = request;
  const files: ModelSource = source ?? randomBert(bertBase, Math.max(longest, 512));
  const model = await loadModel(files, { backend, dtype, signal });
  try {
    const workloads = new ModelWorkloads(model, hasPeers ? await readModel(files, { signal }) : undefined);
    return {
      geometry: geometryOf(model),
      model: nameOf(source),
      workloadOf: (tokens, k, batch) => workloads.workloadOf(tokens, k, batch),
      [Symbol.asyncDispose]: () => model.dispose(),
    };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

async function openLayers(backend: Backend, request: SubjectRequest): Promise<OpenedSubject> {
  const { subject, source, dtype, signal } = request;
  const geometry = source === undefined ? bertBase : await sizesOf(source, backend, signal);
  const opened = { geometry, model: nameOf(source) };
  if (subject === 'attention') {
    const workloadOf = attentionWorkloads(backend, geometry, floatsOf(dtype));
    return {
      ...opened,
      workloadOf(tokens, k, batch) {
        if (batch === 1) return workloadOf(tokens, k);
        throw badInput(`--batch is ${batch}, but attention alone is measured with one text; leave --batch out.`);
      },
      async [Symbol.asyncDispose]() {},
    };
  }
  // One set of weights for all batches.
  const layers = new EncoderWorkloads(backend, { ...geometry, layers: 1 }, { dtype });
  return {
    ...opened,
    workloadOf: (tokens, k, batch) => layers.workloadOf(tokens, k, batch),
    async [Symbol.asyncDispose]() {
      layers.dispose();
    },
  };
}

/** Only its sizes are wanted; it is gone before anything is measured. */
async function sizesOf(source: string, backend: Backend, signal: AbortSignal): Promise<Geometry> {
  const model = await loadModel(source, { backend, signal });
  try {
    return geometryOf(model);
  } finally {
    await model.dispose();
  }
}

const nameOf = (source: string | undefined) => (source === undefined ? 'BERT-base, random weights' : basename(source));
