// What the layers of a model read of a text under dense attention, in host memory: what gates are fitted to and learn from.

import { readFloat32 } from '@flashmla/tensor';
import type { EncoderLayer } from './layer.ts';
import type { EncoderModel } from './model.ts';
import type { EncodedText } from './tokenizer.ts';

/** Queries, keys and values, [tokens, heads, headDim], and the hidden states they come from, [tokens, modelDim]. */
export type LayerPart = 'query' | 'key' | 'value' | 'hidden';

export type LayerParts<Part extends LayerPart> = Readonly<Record<Part, Float32Array>> & { readonly tokens: number };

/** Runs a text with dense attention in all layers; `use` gets the parts of those in `layers`, as they run. */
export async function sampleLayers<Part extends LayerPart>(
  model: EncoderModel,
  text: EncodedText,
  layers: ReadonlySet<EncoderLayer>,
  parts: readonly Part[],
  signal: AbortSignal | undefined,
  use: (layer: EncoderLayer, sample: LayerParts<Part>) => void,
): Promise<void> {
  await model.forward(
    [text],
    {
      signal,
      hidden: false,
      attention: ({ dense }) => dense,
      beforeLayer: async (layer, hidden, work) => {
        if (!layers.has(layer)) return;
        const read: [LayerPart, Float32Array][] = [];
        for (const part of parts) {
          const source = part === 'hidden' ? hidden : await layer.project(work, hidden, part);
          read.push([part, await readFloat32(source)]);
          if (source !== hidden) work.release(source);
        }
        use(layer, { ...Object.fromEntries(read), tokens: text.ids.length } as LayerParts<Part>);
      },
    },
    async () => {},
  );
}
