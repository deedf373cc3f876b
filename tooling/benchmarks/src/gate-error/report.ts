// The rows of bench:gate-error as people read them: each row of the design's table, and below it what was measured.

import { table } from '../table.ts';
import type { Method } from './methods.ts';
import { allowance, type Comparison } from './published.ts';

export interface Cell {
  readonly layer: number;
  /** Factor of all logits. */
  readonly sharpness: number;
  /** ‖sparse − dense‖ ÷ ‖dense‖ of the attention's output: mean over texts and heads. */
  readonly error: number;
  /** Of the text with the least and of the one with the most. */
  readonly least: number;
  readonly most: number;
  /** Attention mass on the selected keys, mean over texts, heads and queries. */
  readonly recall: number;
  /** Gate dimensions of each head. */
  readonly ranks?: readonly number[];
  /** Keys of a residual group, by text; 0 = no groups. */
  readonly residualGroups: readonly number[];
}

export interface Row {
  readonly method: Method;
  readonly cells: readonly Cell[];
  readonly comparison: Comparison;
}

export function reportOf(rows: readonly Row[], layers: number): string {
  const numbers = Array.from({ length: layers }, (_, layer) => layer);
  const titles = ['', ...numbers.map((layer) => `layer ${layer}`), ...numbers.map((layer) => `×3: ${layer}`)];
  const lines = rows.flatMap(({ method, cells, comparison }, index) => {
    const { published } = method;
    const { toValue, toRoundedValue, toFloor } = comparison;
    const ratios = [toValue, toRoundedValue, toFloor].map((ratio) => (ratio === undefined ? '' : ratio.toFixed(2)));
    const measured = [
      nameOf(method, cells[0].residualGroups),
      ...cells.map(({ error }) => formatError(error)),
      ...ratios,
    ];
    if (rows[index - 1]?.method.published === published) return [measured];
    return [[published.title, ...`${published.plain} ${published.sharp}`.split(' '), '', '', ''], measured];
  });
  return [
    table([...titles, '÷ value', '÷ rounded', '÷ floor'], lines),
    "First lines: the design's values, below them what was measured. ÷ value: the largest error ÷ value, which is to stay",
    `within ${allowance} in the rows marked *; ÷ rounded: with half of the value's last digit added to it; ÷ floor: the largest of`,
    '(error ÷ floor on these texts) ÷ (value ÷ floor in the design), which does not depend on what texts the design had.',
    '',
  ].join('\n');
}

function nameOf(method: Method, groups: readonly number[]): string {
  const size = groups.some((group) => group > 0) ? `, groups of ${[...new Set(groups)].join(' or ')}` : '';
  return `${method.bar === 'error' ? '*' : ' '} ${fittedTo(method)}${size}`;
}

export function fittedTo({ space }: Method): string {
  if (!space) return 'measured';
  return `${space.source}, ${space.rank === undefined ? 'ranks chosen' : `rank ${space.rank}`}`;
}

/** As the design writes them, with one digit more. */
function formatError(error: number): string {
  const digits = error >= 1 ? 3 : error >= 0.01 ? 4 : 5;
  return error.toFixed(digits).replace(/^0/, '');
}
