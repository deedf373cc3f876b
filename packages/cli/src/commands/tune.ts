// flashmla tune: which variants of its kernels a backend runs a model by, measured once per device.

import { type Tuning, tune as tuneBackend } from '@flashmla/backend';
import { problemsOf } from '@flashmla/model-swap';
import { command } from '../command.ts';
import { shippedModel, withBackend } from '../opening.ts';
import { backendOption, dtypeOption, modelOption, parseDType, parseWholes, threadsOption } from '../options.ts';
import { formatMs, none, table } from '../output.ts';

export const tune = command({
  name: 'tune',
  summary: 'Times the variants of the kernels that a model runs, and keeps which are fastest on this device.',
  usage: '[--model DIR] [--tokens 128,512,2048] [--dtype DTYPE]',
  details:
    'What is known of this device is not timed again. Everything that opens a backend by selectBackend() makes use of it,\n' +
    'for 30 days. Attention is both dense and sparse; lengths within a factor of √2 share a class.',
  options: {
    model: modelOption,
    tokens: { type: 'string', value: 'NS', description: 'lengths of texts; default 128,512,2048' },
    dtype: dtypeOption,
    backend: backendOption,
    threads: threadsOption,
  },

  async run(values, context) {
    const lengths = parseWholes('tokens', values.tokens ?? '128,512,2048', 1);
    const dtype = parseDType(values.dtype);
    return withBackend(values, context, async (backend) => {
      const { signal, progress } = context;
      const source = values.model ?? (await shippedModel());
      const problems = [];
      for (const tokens of lengths) problems.push(...(await problemsOf(source, { tokens, dtype, backend, signal })));
      progress.start(`timing variants on ${backend.name}`);
      const results = await tuneBackend(backend, problems, {
        signal,
        progress: ({ done, total }) => progress.update(done / Math.max(1, total)),
      });
      progress.stop();
      return {
        json: { backend: backend.name, device: backend.device.description, results },
        text: `${backend.name}: ${backend.device.description}\n\n${
          results.length > 0 ? table(columns, results) : 'Every kernel that this model runs has one variant here.\n'
        }`,
      };
    });
  },
});

const columns = [
  { title: 'op', align: 'left', value: ({ op }: Tuning) => op },
  {
    title: 'variants',
    align: 'left',
    value: ({ times }: Tuning) =>
      times.map(({ variant, ms }) => `${variant} ${ms === null ? none : formatMs(ms)}`).join(', '),
  },
  { title: 'chosen', align: 'left', value: ({ chosen }: Tuning) => chosen },
  { title: 'shape class', align: 'left', value: ({ op, shapeClass }: Tuning) => shapeClass.replace(`op=${op} `, '') },
] as const;
