// What the tests call in the page, beside the conformance suite.

import { serveConformance } from '@flashmla/browser-testing/page';
import { provider } from '@flashmla/kernels-webgl';

serveConformance(provider);
