// What runs, and why that.

import { explain } from '@flashmla/backend';
import type { EncoderModel } from '@flashmla/model-swap';
import type { Screen } from '../screen.ts';

const indent = 9;

export function showSetup(screen: Screen, model: EncoderModel): void {
  const { backend, architecture, encoder } = model;
  const { modelDim, heads, headDim, maxTokens } = architecture;
  screen.line(screen.paint('bold', 'FlashMLA: dense and sparse attention, side by side'));
  screen.line();
  screen.prose(`Backend  ${explain(backend)}.`, indent);
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
