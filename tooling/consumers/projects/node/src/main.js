import { modelFiles } from '@flashmla/model-sentiment';
import { classify } from './classify.js';

console.log(JSON.stringify(await classify(modelFiles, process.argv[2])));
