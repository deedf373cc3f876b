// Why a backend was chosen, in one sentence for people.

import type { BackendReport } from './probe.ts';
import { orderOf, type Preference } from './rank.ts';

/**
 * Which backend `selectBackend(preference)` takes by these reports, and why each better-placed one was passed over.
 *
 * @param reports what `probeBackends` found, in rank order
 */
export function explainSelection(reports: readonly BackendReport[], preference: Preference = {}): string {
  const order = orderOf(
    reports.map(({ name }) => name),
    preference,
  );
  const ordered = order.map((name) => reports.find((report) => report.name === name)!);
  const chosen = ordered.findIndex(({ available }) => available);
  const passedOver = ordered.slice(0, chosen < 0 ? undefined : chosen).map(({ name, reason }) => `${name} (${reason})`);
  if (chosen < 0) return `no backend: ${passedOver.join('; ')}`;
  const { name, device, reason } = ordered[chosen]!;
  const choice = `${name}, ${claimOf(name, passedOver.length, preference)}: ${device ?? reason}`;
  return passedOver.length === 0 ? choice : `${choice}; passed over: ${passedOver.join('; ')}`;
}

function claimOf(name: string, passedOver: number, { prefer = [], require }: Preference): string {
  if (require !== undefined) return 'as required';
  if (prefer.some((preferred) => preferred === name))
    return passedOver === 0 ? 'as preferred' : 'the best preferred one available';
  return 'the best one available';
}
