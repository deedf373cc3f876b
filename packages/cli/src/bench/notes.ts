// What must be known to read the figures of a benchmark.

import type { Geometry } from '@flashmla/workloads';
import type { PeerChoice } from './compare.ts';
import type { Subject } from './subjects.ts';

export interface NotesRequest {
  readonly subject: Subject;
  readonly geometry: Geometry;
  readonly dtype: string;
  readonly peers: readonly PeerChoice[];
}

export function notesOn({ subject, geometry, dtype, peers }: NotesRequest): string[] {
  const { heads, headDim, modelDim, layers } = geometry;
  const sizes = `${heads} heads of ${headDim}`;
  const measured = {
    attention: `Attention alone, ${sizes}, ${dtype}; the gate's work is part of flashmla-sparse.`,
    layer: `One encoder layer from hidden states to hidden states, ${modelDim} wide, ${sizes}, ${dtype}.`,
    model:
      `A whole model of ${layers} layers, ${modelDim} wide, ${sizes}, ${dtype}: token ids to logits, texts of a batch ` +
      'equally long, no mask. Compared are the hidden states of all tokens; timed are the logits, for which flashmla ' +
      'computes only the first token in the last layer, and a peer all of them, as its graph says.',
  };
  const boundary =
    subject === 'attention'
      ? 'flashmla: queries, keys and values lie on the device beforehand, the output stays there. A peer takes and gives ' +
        'host arrays; there is no other way in.'
      : 'All take and give host arrays.';
  const quantized =
    "int8 of a peer is what onnxruntime's quantize_dynamic makes of its graph, embeddings left as they are: activations in " +
    'uint8 by DynamicQuantizeLinear, weights in int8 with one scale each, MatMulInteger; attention in float32.';
  return [
    measured[subject],
    boundary,
    'flashmla-sparse is forced at every length. outputError is against flashmla-dense; random weights have no structure a ' +
      'gate could use, its worst case. `flashmla eval` measures real texts.',
    'peakBytes: most device memory of one run beyond inputs, outputs and weights.',
    ...(peers.length > 0
      ? [
          'A peer runs in a process of its own, in turn with the others, the faster of two graphs: plain (standard operators, ' +
            'fused by its optimiser as it can) and fused (its own MultiHeadAttention). It tells nothing of its memory.',
          'difference: the largest between its output and that of flashmla-dense, in units of the root mean square.',
        ]
      : []),
    ...(peers.some(({ precision }) => precision === 'int8') ? [quantized] : []),
  ];
}
