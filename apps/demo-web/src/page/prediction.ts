// What a run will take, before it runs.

import { formatBytes } from '@flashmla/demo/src/format.ts';
import type { Planned } from '../engine/protocol.ts';
import { find, make } from './elements.ts';

export function showPrediction(planned: Planned | undefined): void {
  const rows: readonly [string, string, string][] = planned
    ? [
        ['Memory', formatBytes(planned.denseBytes), formatBytes(planned.sparseBytes)],
        ['Work', formatFlops(planned.denseFlops), formatFlops(planned.sparseFlops)],
      ]
    : [
        ['Memory', '–', '–'],
        ['Work', '–', '–'],
      ];
  find('prediction').replaceChildren(
    ...rows.map(([name, dense, sparse]) =>
      make(
        'div',
        {},
        make('dt', { text: name }),
        make('dd', { text: `${dense} dense` }),
        make('dd', { text: `${sparse} sparse` }),
      ),
    ),
  );
}

const formatFlops = (flops: number): string =>
  flops < 1e9 ? `${Math.round(flops / 1e6)} Mflop` : `${(flops / 1e9).toFixed(1)} Gflop`;
