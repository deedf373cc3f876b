// dense-attention-gradient: everything packed, then tiles of queries, then tiles of keys; see
// ../../assembly/dense-attention-gradient.ts.

import { ceilDivide, type DenseAttentionGradientProblem } from '@flashmla/tensor';
import { type Argument, type Kernel, roundUp, type Step } from '../plan.ts';
import { argumentWords, LANES, PACK_CHUNK, paddedHeadDim, passes, refusesHeadDim } from './attention.ts';

const CHUNK = 128;
const cut = { tileQueries: LANES, blockKeys: 1, slots: 0, residualGroup: 0 };

/** The arguments of both attention gradients that follow those of the forward kernels. */
export const gradientWords: readonly Argument[] = ['outputGradient', 'queryGradient', 'keyGradient', 'valueGradient'];

export const denseAttentionGradient: Kernel<DenseAttentionGradientProblem> = {
  refuses: refusesHeadDim,
  plan(p) {
    const keyRows = roundUp(p.keys, CHUNK);
    const queryRows = roundUp(p.queries, CHUNK);
    const wideDim = paddedHeadDim(p.headDim);
    const headBytes = 4 * (2 * (keyRows + queryRows) * p.headDim + (keyRows + 2 * queryRows) * wideDim + p.queries);
    const all = passes(p, headBytes);
    const most = Math.max(...all.map(({ heads }) => heads));

    /** Packs what lies like the keys, or like the queries, of all heads of a pass. */
    const pack = (tensor: string, quads: string, panels: string, first: number, heads: number): Step => {
      const ofKeys = tensor === 'key' || tensor === 'value';
      const rows = ofKeys ? keyRows : queryRows;
      const words = argumentWords(
        { ...p, keys: ofKeys ? p.keys : p.queries },
        cut,
        { keyRows: rows, unit: CHUNK, groups: 0, groupRows: 0 },
        first,
      );
      const names: Record<string, string> = {
        ...{ key: tensor, value: tensor, packedKeys: quads, packedValues: panels },
        keyMask: ofKeys ? 'keyMask' : '',
      };
      const named = words.map((word) => (typeof word === 'string' ? (names[word] ?? word) : word));
      return { kernel: 'packKeys', tasks: heads * ceilDivide(rows, PACK_CHUNK), arguments: named };
    };
    const steps = all.flatMap(({ first, heads }): Step[] => {
      const words = [
        ...argumentWords(p, cut, { keyRows: 0, unit: CHUNK, groups: 0, groupRows: 0 }, first),
        ...gradientWords,
        ...['keyQuads', 'keyPanels', 'valueQuads', 'queryQuads', 'queryPanels', 'gradientQuads', 'gradientPanels'],
        ...['deltas', keyRows, queryRows],
      ];
      return [
        // Values are not summed: what is packed for that makes room for the keys.
        pack('value', 'valueQuads', 'keyPanels', first, heads),
        pack('key', 'keyQuads', 'keyPanels', first, heads),
        pack('query', 'queryQuads', 'queryPanels', first, heads),
        pack('outputGradient', 'gradientQuads', 'gradientPanels', first, heads),
        { kernel: 'denseGradientQueries', tasks: heads * ceilDivide(p.queries, LANES), arguments: words },
        { kernel: 'denseGradientKeys', tasks: heads * ceilDivide(p.keys, LANES), arguments: words },
      ];
    });
    const quads = (rows: number) => 4 * most * rows * p.headDim;
    const panels = (rows: number) => 4 * most * rows * wideDim;
    const products = p.batch * p.heads * p.queries * p.keys;
    return {
      steps,
      buffers: {
        ...{ keyQuads: quads(keyRows), valueQuads: quads(keyRows), keyPanels: panels(keyRows) },
        ...{ queryQuads: quads(queryRows), queryPanels: panels(queryRows) },
        ...{ gradientQuads: quads(queryRows), gradientPanels: panels(queryRows) },
        deltas: 4 * most * p.queries,
      },
      threadBytes: 4 * LANES * (2 * p.headDim + 2 * CHUNK + 2 * wideDim + 2),
      usefulMultiplyAdds: 7 * products * p.headDim,
      issuedMultiplyAdds: 7 * p.batch * p.heads * roundUp(p.queries, LANES) * roundUp(p.keys, LANES) * wideDim,
    };
  },
};
