// From nothing to a first result, in this process: prints the milliseconds from before the driver is opened until the shipped
// model has answered. What Node needs to load the program is not counted. Run by bench:cuda, each time anew.

import { provider } from '@flashmla/kernels-cuda';
import { modelFiles } from '@flashmla/model-sentiment';
import { loadModel } from '@flashmla/model-swap';

const [device] = process.argv.slice(2);
const start = performance.now();
const backend = await provider.open(device === undefined ? {} : { device: JSON.parse(device) as number | string });
const model = await loadModel(modelFiles, { backend, dtype: 'float16' });
await model.run('A warm and moving film.');
const elapsedMs = performance.now() - start;
await model.dispose();
await backend.dispose();
process.stdout.write(`${elapsedMs}\n`);
