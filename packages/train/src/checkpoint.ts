// What an interrupted training goes on from: parameters, moments, gates, and how far it was, in one safetensors file. Going
// on gives the same bits as never having stopped, so everything is kept in the precision that it is computed in.

import type { GateState } from '@flashmla/gating';
import {
  decodeSafetensors,
  encodeSafetensors,
  FlashMLAError,
  HostTensor,
  safetensorsMetadata,
  tensor,
} from '@flashmla/tensor';
import type { Example } from './example.ts';
import { fingerprint } from './fingerprint.ts';
import type { LossScaleState } from './loss-scale.ts';
import type { SparseTraining, TrainedGate } from './sparse-training.ts';
import type { EpochReport, TrainSettings } from './train-options.ts';
import type { Trainer } from './trainer.ts';

/** What there is to report so far. */
export interface TrainRecord {
  /** Of the epochs that are over. */
  readonly epochs: EpochReport[];
  /** Sum over the steps of the present one. */
  loss: number;
}

interface Description {
  readonly mark: string;
  readonly step: number;
  readonly lossScale: LossScaleState;
  readonly record: TrainRecord;
  /** What of the gates is no tensor. */
  readonly gates: Readonly<Record<string, { state: object; samples: number; steps: readonly number[] }>>;
}

const stepsPerCheckpoint = 500;

/** The checkpoint of this training in its store, if it has one. `load` puts the training where it was left. */
export async function openCheckpoint(
  trainer: Trainer,
  sparse: SparseTraining | undefined,
  examples: readonly Example[],
  { checkpoint, signal, progress, epochEnded, validation, ...described }: TrainSettings,
) {
  const begun = (): TrainRecord => ({ epochs: [], loss: 0 });
  if (!checkpoint) return { load: async () => begun(), save: async () => {}, stepMade: async () => {} };
  const { store, everySteps = stepsPerCheckpoint } = checkpoint;
  const mark = await fingerprint(trainer.model, examples, described);
  const save = async (record: TrainRecord) => store.save(await encodeCheckpoint(mark, trainer, record, sparse));
  return {
    async load(): Promise<TrainRecord> {
      const saved = await store.load();
      return saved ? restoreCheckpoint(saved, mark, trainer, sparse) : begun();
    },
    save,
    async stepMade(record: TrainRecord): Promise<void> {
      if (trainer.step % everySteps === 0) await save(record);
    },
  };
}

async function encodeCheckpoint(
  mark: string,
  trainer: Trainer,
  record: TrainRecord,
  sparse: SparseTraining | undefined,
): Promise<Uint8Array> {
  const tensors = new Map<string, HostTensor>();
  for (const parameter of trainer.model.parameters) {
    const { first, second } = trainer.optimizer.moments(parameter);
    for (const [kind, held] of Object.entries({ parameter: parameter.tensor, first, second })) {
      tensors.set(`${kind}.${parameter.name}`, tensor(await held.data(), held.shape));
    }
  }
  const gates: Record<string, Description['gates'][string]> = {};
  for (const [layer, gate] of sparse?.state() ?? []) gates[layer] = describeGate(`gate.${layer}`, gate, tensors);
  const description: Description = {
    ...{ mark, step: trainer.step, lossScale: trainer.lossScale.state(), record, gates },
  };
  return encodeSafetensors(tensors, { training: JSON.stringify(description) });
}

/** Puts a training where the checkpoint left it. @throws FlashMLAError 'invalid-file' for that of another training */
async function restoreCheckpoint(
  bytes: Uint8Array,
  mark: string,
  trainer: Trainer,
  sparse: SparseTraining | undefined,
): Promise<TrainRecord> {
  const file = 'the checkpoint';
  const { training } = safetensorsMetadata(bytes, file);
  const description = training === undefined ? undefined : (JSON.parse(training) as Description);
  if (description?.mark !== mark) {
    throw new FlashMLAError(
      'invalid-file',
      '[train] the checkpoint is of a training with another model, other examples or other options; remove it, or go on with those.',
    );
  }
  const tensors = decodeSafetensors(bytes, file);
  const { backend, parameters } = trainer.model;
  const upload = (name: string) => backend.upload(tensors.get(name)!);
  for (const parameter of parameters) {
    const { name } = parameter;
    trainer.model.replace(parameter, tensors.get(`parameter.${name}`)!);
    trainer.optimizer.restore(parameter, { first: upload(`first.${name}`), second: upload(`second.${name}`) });
  }
  trainer.step = description.step;
  trainer.lossScale.restore(description.lossScale);
  const gates = Object.entries(description.gates).map(
    ([layer, described]) => [Number(layer), readGate(`gate.${layer}`, described, tensors)] as const,
  );
  await sparse?.restore(new Map(gates));
  return description.record;
}

function describeGate(
  prefix: string,
  { state, trainer }: TrainedGate,
  tensors: Map<string, HostTensor>,
): Description['gates'][string] {
  const rest: Record<string, unknown> = {};
  for (const [name, part] of Object.entries(state)) {
    if (part instanceof HostTensor) tensors.set(`${prefix}.${name}`, part);
    else rest[name] = part;
  }
  trainer.heads.forEach(({ parameters, optimizer: { mean, square } }, head) => {
    for (const [name, values] of Object.entries({ parameters, mean, square })) {
      tensors.set(`${prefix}.head.${head}.${name}`, tensor(values, [values.length]));
    }
  });
  return { state: rest, samples: trainer.samples, steps: trainer.heads.map(({ optimizer }) => optimizer.steps) };
}

function readGate(
  prefix: string,
  { state, samples, steps }: Description['gates'][string],
  tensors: ReadonlyMap<string, HostTensor>,
): TrainedGate {
  const own = [...tensors].filter(([name]) => name.startsWith(`${prefix}.`) && !name.startsWith(`${prefix}.head.`));
  const parts = own.map(([name, part]) => [name.slice(prefix.length + 1), part] as const);
  const heads = steps.map((made, head) => {
    const values = (name: string) => tensors.get(`${prefix}.head.${head}.${name}`)!.array as Float64Array;
    return {
      parameters: values('parameters'),
      optimizer: { steps: made, mean: values('mean'), square: values('square') },
    };
  });
  return {
    state: { ...state, ...Object.fromEntries(parts) } as unknown as GateState,
    trainer: { samples, heads },
  };
}
