// What runs, and why that.

import { type BackendReport, probeBackends } from '@flashmla/backend';
import type { EncoderModel } from '@flashmla/model-swap';
import type { Screen } from '../screen.ts';

const indent = 9;

export async function showSetup(screen: Screen, model: EncoderModel): Promise<void> {
  const { backend, architecture, encoder } = model;
  const { modelDim, heads, headDim, maxTokens } = architecture;
  screen.line(screen.paint('bold', 'FlashMLA: dense and sparse attention, side by side'));
  screen.line();
  const passedOver = whyNot(await probeBackends(), backend.name);
  screen.prose(
    `Backend  ${backend.name}: ${backend.device.description}. The best one here` +
      `${passedOver && `; passed over: ${passedOver}`}.`,
    indent,
  );
  screen.prose(
    `Model    @flashmla/model-sentiment: ${encoder.layer.length} layers of ${heads} heads × ${headDim}, ${modelDim} wide, ` +
      `up to ${maxTokens} tokens; English film reviews, negative or positive. It is small and trained from scratch: right ` +
      'about 82 % of SST-2 and 86 % of IMDB. It errs; what counts here is that sparse says what dense says.',
    indent,
  );
  screen.prose(
    'Sparse   swapAttention(model): each head attends to the k keys per query that its gate picks, and to one stand-in ' +
      'for each group of the others. Sparse is forced at every length here; used normally, short texts run dense.',
    indent,
  );
}

/** Why each backend that ranks before `chosen` was not taken; those that are not installed are named together. */
function whyNot(reports: readonly BackendReport[], chosen: string): string {
  const before = reports.slice(
    0,
    reports.findIndex(({ name }) => name === chosen),
  );
  const absent = before.filter(({ installed }) => !installed).map(({ name }) => name);
  return [
    ...before.filter(({ installed }) => installed).map(({ name, reason }) => `${name} (${reason})`),
    ...(absent.length > 0 ? [`${absent.join(', ')} (not installed)`] : []),
  ].join('; ');
}
