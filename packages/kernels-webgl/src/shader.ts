// A shader of this package: a GLSL function `element(int i, …)` that gives element i of its output
// (docs/decisions/0009). Its parameters are found in its own signature, so that a plan can name them and nothing has to be
// listed twice.

import common from './shaders/common.glsl';

export type ParameterKind = 'sampler2D' | 'int' | 'float';

export interface Shader {
  /** Unique: programs are kept by it. */
  readonly name: string;
  /** GLSL ES 3.00: `element` and what it calls. */
  readonly source: string;
  /**
   * float: one number an element; vec2: two, as an int32 and its halves (layout.ts) or a pair that one pass makes; vec4:
   * elements i to i + 3 at once, for outputs whose number of elements is a multiple of four.
   */
  readonly returns: 'float' | 'vec2' | 'vec4';
  /** What `element` takes after i, in order. */
  readonly parameters: readonly { readonly name: string; readonly kind: ParameterKind }[];
}

/** Floats of an element, by what a shader returns. */
export const channelsOf = ({ returns }: Shader): 1 | 2 => (returns === 'vec2' ? 2 : 1);

export function shader(name: string, ...sources: string[]): Shader {
  const source = [common, ...sources].join('\n');
  const signature = /\b(float|vec2|vec4) element\(int i([^)]*)\)/.exec(source);
  if (!signature)
    throw new Error(`[kernels-webgl] ${name}.glsl has no function element(int i, …) of float, vec2 or vec4.`);
  const parameters = signature[2]!.split(',').slice(1);
  return {
    name,
    source,
    returns: signature[1] as Shader['returns'],
    parameters: parameters.map((parameter) => {
      const [kind, parameterName] = parameter.trim().split(/\s+/);
      return { name: parameterName!, kind: kind as ParameterKind };
    }),
  };
}
