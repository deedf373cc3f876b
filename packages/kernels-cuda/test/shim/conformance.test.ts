// The conformance suite on the backend as it is, over libcuda and libcublasLt in software: through koffi, with the kernels' own
// source. Every case of every kernel is run by itself elsewhere; here are all promises of the contract, of the cases every
// eighth, and all products that cuBLASLt does.

import { conformanceCases, runCase } from '@flashmla/conformance';
import { testConformance } from '@flashmla/conformance/vitest';
import { expect, it } from 'vitest';
import { describeOnShim } from '../support/shim.ts';
import { compiledBefore, softwareProvider } from '../support/software-provider.ts';

describeOnShim('the CUDA backend over a driver in software', () => {
  compiledBefore();

  it('is found by a probe', async () => {
    expect(await softwareProvider.probe()).toMatchObject({
      available: true,
      reason: 'CPU, compute capability 9.0, 132 SMs, 2.0 GiB shared with the host',
    });
    const [device] = await softwareProvider.devices();
    expect(device).toMatchObject({ uuid: 'GPU-11111111-1111-1111-1111-111111111111', pciBusId: '0000:00:00.0' });
  });

  it('does products by cuBLASLt, and those that it refuses by itself', async () => {
    await using backend = await softwareProvider.open();
    expect(backend.device.description).toMatch(/, cuBLASLt 13\.0\.0$/);
    const products = conformanceCases().filter(({ problem }) => problem.op === 'linear');
    let refused = 0;
    for (const testCase of products) {
      if (backend.variants(testCase.problem)[0] === 'cublas') await runCase(backend, testCase);
      else refused++;
    }
    expect(refused).toBeGreaterThan(0);
    expect(products.length - refused).toBeGreaterThan(100);
  }, 120_000);

  let cases = 0;
  testConformance({ 'CUDA in software': () => softwareProvider.open() }, { filter: () => cases++ % 8 === 0 });
});
