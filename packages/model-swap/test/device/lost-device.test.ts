// A real device that is lost under a model.

import { suiteOnDevice } from '@flashmla/conformance/vitest';
import { provider, type WebGpuBackend } from '@flashmla/kernels-webgpu';
import { testSurvival } from '../support/loss.ts';

const describeOnDevice = await suiteOnDevice(provider);

describeOnDevice('a model on a WebGPU device that is lost', () => {
  testSurvival(
    () => provider.open(),
    (backend) => (backend as WebGpuBackend).gpu.destroy(),
  );
});
