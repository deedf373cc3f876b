// All cases of all ops. A new op adds its file here.

import type { Case } from '../case.ts';
import { activationCases } from './activation.ts';
import { adamWCases } from './adam-w.ts';
import { addCases } from './add.ts';
import { blockPoolCases } from './block-pool.ts';
import { castCases } from './cast.ts';
import { contentOrderCases } from './content-order.ts';
import { crossEntropyCases } from './cross-entropy.ts';
import { denseAttentionCases } from './dense-attention.ts';
import { denseAttentionGradientCases } from './dense-attention-gradient.ts';
import { dropoutCases } from './dropout.ts';
import { embeddingCases } from './embedding.ts';
import { embeddingGradientCases } from './embedding-gradient.ts';
import { gateProjectionCases } from './gate-projection.ts';
import { halfCases } from './half.ts';
import { int8Cases } from './int8.ts';
import { layerNormCases } from './layer-norm.ts';
import { layerNormGradientCases } from './layer-norm-gradient.ts';
import { linearCases } from './linear.ts';
import { linearGradientCases } from './linear-gradient.ts';
import { paddingCases } from './padding.ts';
import { selectSlotsCases } from './select-slots.ts';
import { selectTopKCases } from './select-top-k.ts';
import { sparseAttentionCases } from './sparse-attention.ts';
import { sparseAttentionGradientCases } from './sparse-attention-gradient.ts';
import { sumOfSquaresCases } from './sum-of-squares.ts';

/** Every op × case, in float32 and in half precision, and linear in int8. Inputs are made only when a case is run. */
export function conformanceCases(): Case[] {
  const cases = float32Cases();
  return [...cases, ...halfCases(cases), ...int8Cases()];
}

function float32Cases(): Case[] {
  return [
    ...linearCases(),
    ...layerNormCases(),
    ...embeddingCases(),
    ...denseAttentionCases(),
    ...sparseAttentionCases(),
    ...gateProjectionCases(),
    ...contentOrderCases(),
    ...selectTopKCases(),
    ...selectSlotsCases(),
    ...blockPoolCases(),
    ...paddingCases(),
    ...linearGradientCases(),
    ...layerNormGradientCases(),
    ...denseAttentionGradientCases(),
    ...sparseAttentionGradientCases(),
    ...crossEntropyCases(),
    ...embeddingGradientCases(),
    ...activationCases(),
    ...addCases(),
    ...dropoutCases(),
    ...castCases(),
    ...sumOfSquaresCases(),
    ...adamWCases(),
  ];
}
