// What a tensor is before it is trained: matrices normal with deviation 0.02, norms the identity, biases zero (Devlin et
// al. 2018, arXiv 1810.04805, and their code). Padding's word embedding is zero, as Hugging Face has it.

import type { TensorNeed } from '@flashmla/model-swap';
import { elementCount, type HostTensor, randomNormal, tensor } from '@flashmla/tensor';

const deviation = 0.02;

export function initialWeights({ name, shape }: TensorNeed, random: () => number): HostTensor {
  const count = elementCount(shape);
  if (shape.length > 1)
    return tensor(
      randomNormal(count, random).map((value) => value * deviation),
      shape,
    );
  const isNormWeight = /norm\w*\.(weight|gamma)$/i.test(name);
  return tensor(new Float32Array(count).fill(isNormWeight ? 1 : 0), shape);
}
