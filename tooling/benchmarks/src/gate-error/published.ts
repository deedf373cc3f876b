// The values to reach, from the design's table of relative output errors: layers 0 to 3 of the sentiment model, as it is
// and with all logits × 3. Kept as texts, because how far a value was rounded decides what is within its reach.

export interface Published {
  readonly title: string;
  readonly plain: string;
  readonly sharp: string;
  /** The same with the keys that truly hold most attention: what the best of gates would reach. */
  readonly floor?: Published;
}

const oracle: Published = { title: 'true top 32, nothing else', plain: '2.08 .56 .25 .13', sharp: '.24 .23 .12 .06' };
const listsAlone: Published = { title: 'lists, nothing else', plain: '2.20 .61 .25 .13', sharp: '.30 .28 .12 .06' };
const blocksAlone: Published = { title: 'blocks, nothing else', plain: '1.56 .51 .21 .11', sharp: '.22 .27 .11 .05' };
const trueLists: Published = { title: 'true top 32 + residual', plain: '.14 .04 .01 .004', sharp: '.06 .05 .01 .004' };
const trueBlocks: Published = {
  ...{ title: 'true best blocks + residual', plain: '.14 .04 .01 .003', sharp: '.07 .08 .01 .003' },
};
const lists: Published = {
  ...{ title: 'lists + residual', plain: '.16 .04 .01 .004', sharp: '.09 .06 .01 .004', floor: trueLists },
};
const blocks: Published = {
  ...{ title: 'blocks + residual', plain: '.14 .04 .01 .004', sharp: '.07 .10 .02 .004', floor: trueBlocks },
};

export const published = { oracle, listsAlone, blocksAlone, trueLists, lists, trueBlocks, blocks };

interface PublishedValue {
  readonly value: number;
  /** Half of the last digit: the value before rounding was at most this much more. */
  readonly rounding: number;
}

/** The values of a row, plain layers first. */
export function valuesOf({ plain, sharp }: Published): PublishedValue[] {
  return `${plain} ${sharp}`.split(' ').map((text) => ({
    value: Number(text),
    rounding: 0.5 * 10 ** -text.slice(text.indexOf('.') + 1).length,
  }));
}

/** An error may be this many times the published one. */
export const allowance = 1.2;

export interface Comparison {
  /** The largest error ÷ published value; how much of it is the texts' doing, these figures can't tell. */
  readonly toValue: number;
  /** The same with half of the last digit added to the values. */
  readonly toRoundedValue: number;
  /** The largest (error ÷ floor on the same texts) ÷ (value ÷ floor in the design), where a row has a floor. */
  readonly toFloor?: number;
}

/**
 * @param errors of all layers, plain ones first
 * @param floor measured on the same texts
 */
export function compare(errors: readonly number[], row: Published, floor: readonly number[] | undefined): Comparison {
  const values = valuesOf(row);
  const floorValues = row.floor && valuesOf(row.floor);
  const largest = (ratio: (error: number, i: number) => number) => Math.max(...errors.map(ratio));
  return {
    toValue: largest((error, i) => error / values[i].value),
    toRoundedValue: largest((error, i) => error / (values[i].value + values[i].rounding)),
    ...(floor &&
      floorValues && { toFloor: largest((error, i) => error / floor[i] / (values[i].value / floorValues[i].value)) }),
  };
}
