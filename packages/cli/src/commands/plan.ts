// flashmla plan: what running a model will take at a length, before anything is allocated.

import { explainSelection, probeBackends } from '@flashmla/backend';
import { planModel } from '@flashmla/model-swap';
import { command } from '../command.ts';
import { shippedModel, withBackend } from '../opening.ts';
import {
  backendOption,
  dtypeOption,
  kOption,
  modelOption,
  parseBackend,
  parseDType,
  parseWhole,
  required,
} from '../options.ts';
import { formatBytes, formatFlops, table } from '../output.ts';

export const plan = command({
  name: 'plan',
  summary: 'What running a model will take at a length, sparse and dense, before anything is allocated.',
  usage: '--model DIR --tokens N [--k K] [--dtype DTYPE]',
  details:
    "bytes: most device memory at once, weights included. flops: of one text, a multiply-add counted 2. 'dense' is this\n" +
    "project's own dense attention, which keeps no N × N scores.",
  options: {
    model: modelOption,
    tokens: { type: 'string', value: 'N', description: 'length of the text' },
    k: kOption,
    dtype: dtypeOption,
    backend: backendOption,
  },

  async run(values, context) {
    const tokens = parseWhole('tokens', required('tokens', values.tokens, '4096'), 1)!;
    const k = parseWhole('k', values.k, 1);
    const dtype = parseDType(values.dtype);
    const require = parseBackend(values.backend);
    return withBackend(values, context, async (backend) => {
      const source = values.model ?? (await shippedModel());
      const options = { tokens, backend, dtype, signal: context.signal, ...(k !== undefined && { k }) };
      const planned = await planModel(source, options);
      const why = explainSelection(await probeBackends(), require === undefined ? {} : { require });
      const { bytes, denseBytes, flops, denseFlops } = planned;
      const cut = planned.tokens < tokens ? `, the most this model takes (${tokens} were asked for)` : '';
      const rows = [
        { attention: 'sparse', bytes, flops },
        { attention: 'dense', bytes: denseBytes, flops: denseFlops },
      ];
      return {
        json: { backend: backend.name, dtype, why, ...planned },
        text: `One text of ${planned.tokens} tokens${cut}\n\n${table(columns, rows)}\nPrecision: ${dtype}\nBackend: ${why}\n`,
      };
    });
  },
});

interface Row {
  readonly attention: string;
  readonly bytes: number;
  readonly flops: number;
}

const columns = [
  { title: 'attention', align: 'left', value: ({ attention }: Row) => attention },
  { title: 'memory', value: ({ bytes }: Row) => formatBytes(bytes) },
  { title: 'work', value: ({ flops }: Row) => formatFlops(flops) },
] as const;
