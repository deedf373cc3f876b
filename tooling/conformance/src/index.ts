// @flashmla/conformance: what every backend must do, as cases that run anywhere. `/vitest` runs them as tests.

export type { Case, Inputs, Outputs } from './case.ts';
export { conformanceCases } from './cases/index.ts';
export { compare, compareBits, float32Tolerance, type Tolerance } from './compare.ts';
export { type ContractCheck, contractChecks } from './contract.ts';
export { fixtureCase } from './fixtures.ts';
export { type Lose, type LossCheck, lossChecks } from './loss.ts';
export { type ReferenceBackend, type ReferenceBackendOptions, referenceBackend } from './reference-backend.ts';
export { runCase } from './run-case.ts';
