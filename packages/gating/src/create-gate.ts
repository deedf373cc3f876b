// Gates by name, for command lines and stored settings.

import { FlashMLAError } from '@flashmla/tensor';
import { BlockGate, type BlockGateOptions } from './block-gate.ts';
import { ContentGate, type ContentGateOptions } from './content-gate.ts';
import type { GateName } from './gate.ts';
import { OracleGate, type OracleGateOptions } from './oracle-gate.ts';
import { SlotGate, type SlotGateOptions } from './slot-gate.ts';
import { StaticGate, type StaticGateOptions } from './static-gate.ts';

export interface GateOptions {
  content: ContentGateOptions;
  slot: SlotGateOptions;
  block: BlockGateOptions;
  static: StaticGateOptions;
  oracle: OracleGateOptions;
}

interface Gates {
  content: ContentGate;
  slot: SlotGate;
  block: BlockGate;
  static: StaticGate;
  oracle: OracleGate;
}

const gates: { readonly [Name in GateName]: (options: GateOptions[Name]) => Gates[Name] } = {
  content: (options) => new ContentGate(options),
  slot: (options) => new SlotGate(options),
  block: (options) => new BlockGate(options),
  static: (options) => new StaticGate(options),
  oracle: (options) => new OracleGate(options),
};

/** Names of all gates there are. */
export const gateNames = Object.keys(gates) as GateName[];

/**
 * The gate called `name`.
 *
 * @throws FlashMLAError 'invalid-argument' for a name that no gate has
 */
export function createGate<Name extends GateName>(name: Name, options: GateOptions[Name] = {}): Gates[Name] {
  const create = Object.hasOwn(gates, name) ? gates[name] : undefined;
  if (!create) {
    throw new FlashMLAError(
      'invalid-argument',
      `[gating] there is no gate '${name}'; expected one of ${gateNames.join(', ')}.`,
    );
  }
  return create(options);
}
