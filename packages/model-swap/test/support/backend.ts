// The backend the tests run on.

import { provider } from '@flashmla/kernels-cpu';
import type { Backend } from '@flashmla/tensor';

/** What one test measures must not decide another's results. */
process.env.FLASHMLA_CACHE = '';

export async function openTestBackend(): Promise<Backend> {
  return provider.open({ threads: 1 });
}
