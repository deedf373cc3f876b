// flashmla doctor: what this machine has to run on, and why the rest is not used.

import { type BackendReport, explain, probeBackends } from '@flashmla/backend';
import { command } from '../command.ts';
import { badInput } from '../errors.ts';
import { withBackend } from '../opening.ts';
import { backendOption, parseBackend } from '../options.ts';
import { none, table } from '../output.ts';

export const doctor = command({
  name: 'doctor',
  summary: 'Which backends are installed and work here, which is in use, and why.',
  usage: '[--backend NAME]',
  details: 'With --backend, it fails unless that backend can be used.',
  options: { backend: backendOption },

  async run(values, context) {
    const require = parseBackend(values.backend);
    const backends = await probeBackends();
    const wanted = backends.find(({ name }) => name === require);
    if (wanted && !wanted.available) {
      throw badInput(
        `the backend ${wanted.name} can't be used here: ${wanted.reason}. Mend that, or leave --backend out.`,
      );
    }
    const why = await withBackend(values, context, async (backend) => explain(backend));
    const { version: node, platform, arch } = process;
    const text = `Node ${node} on ${platform} ${arch}\n\n${table(columns, backends)}\nIn use: ${why}\n`;
    return { json: { node, backends, why }, text };
  },
});

const columns = [
  { title: 'backend', align: 'left', value: ({ name }: BackendReport) => name },
  { title: 'installed', align: 'left', value: ({ installed }: BackendReport) => yesNo(installed) },
  { title: 'available', align: 'left', value: ({ available }: BackendReport) => yesNo(available) },
  { title: 'device, or why not', align: 'left', value: ({ device, reason }: BackendReport) => device ?? reason },
  { title: 'features', align: 'left', value: ({ features }: BackendReport) => features?.join(', ') || none },
] as const;

const yesNo = (is: boolean) => (is ? 'yes' : 'no');
