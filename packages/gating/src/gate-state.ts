// Checks that what is given to a gate is what a gate of its kind has learned.

import { describeValue, FlashMLAError } from '@flashmla/tensor';
import type { GateState } from './gate.ts';

/** Raises 'invalid-argument' for anything but a state of the gate called `name`. */
export function checkState<Name extends GateState['gate']>(
  name: Name,
  state: GateState,
): asserts state is Extract<GateState, { gate: Name }> {
  if (state?.gate === name) return;
  const given = state?.gate ? `that of a '${state.gate}' gate` : describeValue(state);
  throw new FlashMLAError(
    'invalid-argument',
    `[gating] ${name}: the state is ${given}; expected what state() of a '${name}' gate gave.`,
  );
}

/** Raises where `state` asks for weights that a gate does not have. */
export function noWeights(name: GateState['gate'], advice: string): FlashMLAError {
  return new FlashMLAError('invalid-argument', `[gating] ${name}: there is nothing to store yet; ${advice}.`);
}
