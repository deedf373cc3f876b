// @flashmla/gating: which keys matter to which query. One interface, five gates, and a measure of how good they are.

export { BlockGate, type BlockGateOptions, type BlockGateState, type BlockWeights } from './block-gate.ts';
export {
  type CalibrateOptions,
  type CalibrationModel,
  type CalibrationProgress,
  type CalibrationReport,
  type CalibrationText,
  calibrateGates,
  type GatedLayer,
  type HeadCalibration,
} from './calibration/calibrate-gates.ts';
export type { CheckpointStore } from './calibration/checkpoint.ts';
export { GateTrainer, type GateTrainerOptions, type GateTrainerState } from './calibration/gate-trainer.ts';
export type { BudgetReport } from './calibration/head-curves.ts';
export { learningRateAt } from './calibration/schedule.ts';
export { ContentGate, type ContentGateOptions } from './content-gate.ts';
export type { ContentShape } from './content-selection.ts';
export { createGate, type GateOptions, gateNames } from './create-gate.ts';
export type { FitDimensions, FitOptions, FitSample } from './fit-samples.ts';
export type { FitWeights } from './fit-weights.ts';
export { type Gate, type GateInputs, type GateName, type GateState, isLearnable, type LearnableGate } from './gate.ts';
export type { ContentGateState } from './gate-space.ts';
export { keysOfHeads } from './head-budget.ts';
export {
  type HeadQualities,
  type LayerDimensions,
  type LayerSample,
  type MeasureGateOptions,
  measureGate,
} from './measure-gate.ts';
export { OracleGate, type OracleGateOptions } from './oracle-gate.ts';
export { measureSelection, type Quality, type RecallInputs, type SelectionQuality } from './recall.ts';
export { recommendK } from './recommend-k.ts';
export { residualGroup } from './residual-group.ts';
export { searchByEvolution } from './search/evolution.ts';
export { searchByRelaxation } from './search/relaxation.ts';
export {
  cheapest,
  type Figures,
  type Found,
  type LayerChoice,
  type LayerVariant,
  type SearchOptions,
  type SearchTable,
} from './search/table.ts';
export { SlotGate, type SlotGateOptions, type SlotGateState, type SlotWeights } from './slot-gate.ts';
export { StaticGate, type StaticGateOptions } from './static-gate.ts';
