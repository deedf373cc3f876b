// The WGSL sources by name, and the text that is compiled for a step: its constants, what it includes, the file.
// One source serves both precisions: it stores `element`s and computes in f32.

import blockPool from './kernels/block-pool.wgsl';
import contentOrder from './kernels/content-order.wgsl';
import contentOrderStart from './kernels/content-order-start.wgsl';
import denseAttention from './kernels/dense-attention.wgsl';
import embedding from './kernels/embedding.wgsl';
import gateProjection from './kernels/gate-projection.wgsl';
import layerNorm from './kernels/layer-norm.wgsl';
import linear from './kernels/linear.wgsl';
import linearDirect from './kernels/linear-direct.wgsl';
import linearOutput from './kernels/linear-output.wgsl';
import linearRows from './kernels/linear-rows.wgsl';
import linearSplit from './kernels/linear-split.wgsl';
import linearStaged from './kernels/linear-staged.wgsl';
import meanFeatures from './kernels/mean-features.wgsl';
import onlineSoftmax from './kernels/online-softmax.wgsl';
import onlineSoftmaxBlocked from './kernels/online-softmax-blocked.wgsl';
import orderKeys from './kernels/order-keys.wgsl';
import residualGroups from './kernels/residual-groups.wgsl';
import rowMaxima from './kernels/row-maxima.wgsl';
import rowMaximaSubgroups from './kernels/row-maxima-subgroups.wgsl';
import select from './kernels/select.wgsl';
import selectSlots from './kernels/select-slots.wgsl';
import selectTopK from './kernels/select-top-k.wgsl';
import slotLists from './kernels/slot-lists.wgsl';
import softmaxMemory from './kernels/softmax-memory.wgsl';
import sortLists from './kernels/sort-lists.wgsl';
import sparseAttention from './kernels/sparse-attention.wgsl';
import sumOfAll from './kernels/sum-of-all.wgsl';
import type { ElementDType } from './plan.ts';

/** An attention shader in each of its ways: what it includes. */
function attention(name: string, text: string): Record<string, string> {
  const blocked = text.replace('// include: online-softmax', onlineSoftmaxBlocked);
  return {
    [`${name}-lanes`]: text,
    [`${name}-blocked`]: blocked,
    [`${name}-blocked-subgroups`]: blocked.replace('// include: row-maxima', rowMaximaSubgroups),
  };
}

const sources: Readonly<Record<string, string>> = {
  'block-pool': blockPool,
  'content-order': contentOrder,
  'content-order-start': contentOrderStart,
  ...attention('dense-attention', denseAttention),
  embedding,
  'gate-projection': gateProjection,
  'layer-norm': layerNorm,
  linear,
  'linear-direct': linearDirect,
  'linear-output': linearOutput,
  'linear-rows': linearRows,
  'linear-split': linearSplit,
  'linear-staged': linearStaged,
  'mean-features': meanFeatures,
  'online-softmax': onlineSoftmax,
  'online-softmax-blocked': onlineSoftmaxBlocked,
  'order-keys': orderKeys,
  'residual-groups': residualGroups,
  'row-maxima': rowMaxima,
  'row-maxima-subgroups': rowMaximaSubgroups,
  select,
  'select-slots': selectSlots,
  'select-top-k': selectTopK,
  'slot-lists': slotLists,
  'softmax-memory': softmaxMemory,
  'sort-lists': sortLists,
  ...attention('sparse-attention', sparseAttention),
  'sum-of-all': sumOfAll,
};

const elements: Readonly<Record<ElementDType, string>> = {
  float32: 'alias element = f32;\nalias element4 = vec4f;\n',
  float16: 'enable f16;\nalias element = f16;\nalias element4 = vec4h;\n',
};

/**
 * In front of every file. `index_of`: which workgroup this is, of those that a step asked for, spread over two dimensions.
 * `byte_of`: a mask's byte number `at`, from the word that holds it, number at / 4.
 */
const prelude = /* wgsl */ `
fn index_of(workgroup: vec3u, count: vec3u) -> u32 { return workgroup.x + workgroup.y * count.x; }
fn byte_of(word: u32, at: u32) -> u32 { return (word >> (at % 4u * 8u)) & 255u; }
`;

/** `// include: name` on a line of its own stands for that file, and what that includes. */
const include = /^ *\/\/ include: (\S+)$/gm;

const withIncludes = (text: string): string => text.replace(include, (_, name: string) => withIncludes(sources[name]!));

/** The source of `shader` with its constants, `element` being of `dtype`; the same text for the same pipeline. */
export function sourceOf(
  shader: string,
  constants: Readonly<Record<string, number>>,
  dtype: ElementDType = 'float32',
): string {
  const declared = Object.entries(constants).map(([name, value]) => `const ${name} = ${value}u;\n`);
  const text = withIncludes(sources[shader]!);
  const enabled = /\bsubgroup[A-Z]/.test(text) ? 'enable subgroups;\n' : '';
  return `${enabled}${elements[dtype]}${declared.join('')}${prelude}${text}`;
}

/** For each binding after 0, the parameters: whether the shader writes it. */
export function writesOf(source: string): boolean[] {
  const writes: boolean[] = [];
  for (const [, binding, access] of source.matchAll(/@binding\((\d+)\)\s*var<storage, (read|read_write)>/g)) {
    writes[Number(binding) - 1] = access === 'read_write';
  }
  return writes;
}
