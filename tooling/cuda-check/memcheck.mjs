// What runs under compute-sanitizer: every eighth case of the conformance suite, small ones all of them, by each of its
// variants, each kernel by itself, for the tool names the kernel that does wrong. Fails when a case does.
import { conformanceCases, runCase } from '@flashmla/conformance';
import { provider } from '@flashmla/kernels-cuda';

const backend = await provider.open({ graphs: false });
const cases = conformanceCases().filter((_, at) => at % 8 === 0);
let failed = 0;
for (const testCase of cases) {
  const { supported } = backend.supports(testCase.problem);
  for (const variant of supported ? backend.variants(testCase.problem) : [undefined]) {
    try {
      await runCase(backend, testCase, variant);
    } catch (error) {
      failed++;
      console.log(`${testCase.name}${variant ? `, ${variant}` : ''}: ${error.message}`);
    }
  }
}
await backend.dispose();
console.log(`${cases.length} cases, ${failed} failed, on ${backend.device.description}`);
process.exitCode = failed > 0 ? 1 : 0;
