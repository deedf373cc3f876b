import { classify } from './classify.js';

globalThis.classify = (backend) => classify('model/', backend);
