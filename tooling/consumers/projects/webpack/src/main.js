import { modelFiles } from '@flashmla/model-sentiment';
import { classify } from './classify.js';

globalThis.classify = (backend) => classify(modelFiles, backend);
