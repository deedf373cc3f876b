// The device that Node finds, for the suites of this folder.

import { suiteOnDevice } from '@flashmla/conformance/vitest';
import { provider } from '../../dist/index.js';

export const describeOnDevice = await suiteOnDevice(provider);
