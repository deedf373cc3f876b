// sparse-attention: passes over queries × candidates, a candidate being a key of the query's list
// (../shaders/sparse-attention-*.glsl). The lists are cleaned first; logits, softmax and weights are each computed once;
// the output is the product of weights and values. The residual is never taken over the keys one by one: its groups enter
// by their sums, less what was selected, so a query costs slots · blockKeys + groups whatever the length.
//
// Memory: two textures of queries × candidates, the logits and the weights.

import { ceilDivide, type SparseAttentionProblem } from '@flashmla/tensor';
import { type Kernel, NONE, type Step } from '../plan.ts';
import { shader } from '../shader.ts';
import entriesSource from '../shaders/sparse-attention-entries.glsl';
import groupsSource from '../shaders/sparse-attention-groups.glsl';
import keysSource from '../shaders/sparse-attention-keys.glsl';
import logitsSource from '../shaders/sparse-attention-logits.glsl';
import outputSource from '../shaders/sparse-attention-output.glsl';
import outputQuadsSource from '../shaders/sparse-attention-output-quads.glsl';
import sharesSource from '../shaders/sparse-attention-shares.glsl';
import stateSource from '../shaders/sparse-attention-state.glsl';
import sumsSource from '../shaders/sparse-attention-sums.glsl';
import tilesSource from '../shaders/sparse-attention-tiles.glsl';
import weightsSource from '../shaders/sparse-attention-weights.glsl';
import { lseStep, rowsOf, withoutKeys } from './attention.ts';

const tilesOfQueries = shader('sparse-attention-tiles', tilesSource);
const cleanEntries = shader('sparse-attention-entries', entriesSource);
const logits = shader('sparse-attention-logits', keysSource, logitsSource);
const groupSums = shader('sparse-attention-sums', sumsSource);
const remains = shader('sparse-attention-groups', keysSource, groupsSource);
const state = shader('sparse-attention-state', stateSource);
const shares = shader('sparse-attention-shares', sharesSource);
const weights = shader('sparse-attention-weights', keysSource, weightsSource);
const output = shader('sparse-attention-output', keysSource, outputSource);
const outputQuads = shader('sparse-attention-output-quads', keysSource, outputQuadsSource);

const groupsOf = ({ keys, residualGroup }: SparseAttentionProblem) =>
  residualGroup > 0 ? ceilDivide(keys, residualGroup) : 0;

export const sparseAttention: Kernel<SparseAttentionProblem> = {
  steps(p) {
    const { slots, blockKeys, tileQueries, heads, queries, keys, headDim, residualGroup } = p;
    const groups = groupsOf(p);
    const candidates = slots * blockKeys;
    const rows = rowsOf(p);
    if (keys === 0 || candidates + groups === 0) return withoutKeys(p);

    const tokensFirst = Number(p.layout === 'tokens-first');
    const mask = { keyMask: p.mask ? 'keyMask' : NONE, hasMask: Number(p.mask) };
    const keyOrder = { keyOrder: p.keyOrder ? 'keyOrder' : NONE, hasKeyOrder: Number(p.keyOrder) };
    const lists = {
      tiles: p.queryOrder ? 'tiles' : NONE,
      hasTiles: Number(p.queryOrder),
      entries: candidates > 0 ? 'entries' : NONE,
      slots,
      tileQueries,
      blockKeys,
      queries,
    };
    const residual = { residualGroup: Math.max(1, residualGroup), groups };
    const sumsOf = (x: 'key' | 'value'): Step => ({
      shader: groupSums,
      output: `sums of ${x}s`,
      elements: p.batch * heads * groups * (headDim + 4),
      arguments: { x, ...mask, ...keyOrder, ...residual, heads, keys, headDim, tokensFirst },
    });
    const steps: Step[] = [
      {
        shader: cleanEntries,
        output: 'entries',
        elements: p.batch * heads * ceilDivide(queries, tileQueries) * slots,
        arguments: { indices: 'indices', slots, blocks: ceilDivide(keys, blockKeys) },
      },
      {
        shader: logits,
        output: 'logits',
        elements: rows * candidates,
        arguments: {
          query: 'query',
          key: 'key',
          ...mask,
          ...keyOrder,
          ...lists,
          heads,
          keys,
          headDim,
          tokensFirst,
          causal: Number(p.causal),
          scale: p.scale,
        },
      },
      sumsOf('key'),
      {
        shader: remains,
        output: 'remains',
        elements: rows * groups,
        arguments: {
          query: 'query',
          logits: candidates > 0 ? 'logits' : NONE,
          sums: 'sums of keys',
          ...lists,
          ...residual,
          heads,
          headDim,
          tokensFirst,
          scale: p.scale,
        },
      },
      {
        shader: state,
        output: 'state',
        elements: rows,
        arguments: {
          logits: candidates > 0 ? 'logits' : NONE,
          candidates,
          remains: groups > 0 ? 'remains' : NONE,
          groups,
        },
      },
      lseStep(p, 'state'),
      {
        shader: shares,
        output: 'shares',
        elements: rows * groups,
        arguments: { remains: 'remains', state: 'state', groups },
      },
      {
        shader: weights,
        output: 'weights',
        elements: rows * candidates,
        arguments: {
          logits: 'logits',
          state: 'state',
          shares: groups > 0 ? 'shares' : NONE,
          ...lists,
          ...residual,
        },
      },
      sumsOf('value'),
      {
        shader: headDim % 4 === 0 ? outputQuads : output,
        output: 'output',
        elements: rows * headDim,
        arguments: {
          value: 'value',
          weights: candidates > 0 ? 'weights' : NONE,
          shares: groups > 0 ? 'shares' : NONE,
          sums: groups > 0 ? 'sums of values' : NONE,
          ...lists,
          ...keyOrder,
          groups,
          heads,
          keys,
          headDim,
          tokensFirst,
        },
      },
    ];
    if (!p.queryOrder) return steps;
    const tiles: Step = {
      shader: tilesOfQueries,
      output: 'tiles',
      elements: rows,
      arguments: { queryOrder: 'queryOrder', queries, tileQueries },
    };
    return [tiles, ...steps];
  },

  issuedMultiplyAdds(p) {
    const perQuery = p.slots * p.blockKeys + groupsOf(p);
    const sums = p.residualGroup > 0 ? p.batch * p.heads * p.keys : 0;
    return 2 * p.headDim * (rowsOf(p) * perQuery + sums);
  },

  largestIndex: ({ queries, keys }) => Math.max(queries, keys),
};
