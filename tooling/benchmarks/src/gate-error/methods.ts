// What is measured: how keys are selected, and what the gate was fitted to.

import { ContentGate, type ContentShape, OracleGate } from '@flashmla/gating';
import { trueBlocks, trueLists } from './floors.ts';
import { type GateSpaces, listKeys, type Space } from './gate-spaces.ts';
import { type Published, published } from './published.ts';
import { type Selector, withGroups } from './selector.ts';

export interface Method {
  /** The row of the design's table that it belongs to. */
  readonly published: Published;
  /** Keys a query selects: as many for lists as in that table, 4 blocks of 16 for blocks. */
  readonly k: number;
  /** Absent for the true top k alone. */
  readonly space?: Space;
  /** Keys of a residual group where the gate's own choice is overruled; 0 = none. */
  readonly group?: number;
  /** 'error': the gate as it is, which is to be within 1.2× of the row. 'floor': set up as in the design, so that error ÷
   *  floor is to be within 1.2× of the design's. */
  readonly bar?: 'error' | 'floor';
  readonly selector: (spaces: GateSpaces, layer: number, sharpness: number) => Promise<Selector>;
}

interface Options extends Pick<Method, 'group' | 'bar'> {
  /** What is made of the gate; default: itself. */
  readonly floor?: (gate: ContentGate) => Selector;
}

function content(
  row: Published,
  shape: ContentShape,
  space: Space,
  { group, bar, floor = (gate) => gate }: Options = {},
): Method {
  const k = shape === 'lists' ? listKeys : 64;
  return {
    ...{ published: row, k, space, ...(group !== undefined && { group }), ...(bar && { bar }) },
    async selector(spaces, layer, sharpness) {
      const gate = new ContentGate({ k, shape });
      gate.load(await spaces.get(space, layer, sharpness));
      return group === undefined ? floor(gate) : withGroups(floor(gate), group);
    },
  };
}

/** The design's. */
const rank8: Space = { source: 'other texts', rank: 8 };
const group = 64;

/** Of one shape: set up as in the design, and as users get it, fitted to one thing or another. */
const fitted = (row: Published, shape: ContentShape): Method[] => [
  content(row, shape, rank8, { group, bar: 'floor' }),
  content(row, shape, rank8, { bar: 'error' }),
  content(row, shape, { source: 'other texts' }, { bar: 'error' }),
  content(row, shape, { source: 'built-in texts' }, { bar: 'error' }),
  content(row, shape, { source: 'first run' }, { bar: 'error' }),
  content(row, shape, { source: 'weights' }),
];

/** Floors come before the rows that are compared with them. */
export const methods: readonly Method[] = [
  {
    ...{ published: published.oracle, k: listKeys },
    selector: async () => new OracleGate({ k: listKeys }),
  },
  content(published.listsAlone, 'lists', rank8, { group: 0 }),
  content(published.blocksAlone, 'blocks', rank8, { group: 0 }),
  content(published.trueLists, 'lists', rank8, { group, floor: trueLists }),
  ...fitted(published.lists, 'lists'),
  content(published.trueBlocks, 'blocks', rank8, { group, floor: trueBlocks }),
  ...fitted(published.blocks, 'blocks'),
];
