// webpack with an entry, an output folder, and what the README of @flashmla/model-sentiment says of its size.

import { describeBundled } from '../support/describe-bundled.ts';

describeBundled('webpack', { installer: 'npm', built: 'public' });
