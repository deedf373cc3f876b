// The conformance suite on the backend as it is, over libcuda in software: through koffi, with the kernels' own source. Every
// case of every kernel is run by itself elsewhere; here are all promises of the contract, and of the cases every eighth.

import { testConformance } from '@flashmla/conformance/vitest';
import { expect, it } from 'vitest';
import { initialized, openLibrary } from '../../src/driver.ts';
import { providerOver } from '../../src/provider.ts';
import { compile, describeOnShim } from '../support/shim.ts';

const provider = providerOver(
  async () => {
    const api = await openLibrary(compile());
    return typeof api === 'string' ? api : initialized(api);
  },
  async () => Uint8Array.of(0),
);

describeOnShim('the CUDA backend over a driver in software', () => {
  it('is found by a probe', async () => {
    expect(await provider.probe()).toMatchObject({
      available: true,
      reason: 'CPU, compute capability 9.0, 132 SMs, 2.0 GiB shared with the host',
    });
    const [device] = await provider.devices();
    expect(device).toMatchObject({ uuid: 'GPU-11111111-1111-1111-1111-111111111111', pciBusId: '0000:00:00.0' });
  });

  let cases = 0;
  testConformance('conformance', () => provider.open(), { filter: () => cases++ % 8 === 0 });
});
