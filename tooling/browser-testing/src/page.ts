// What runs inside the page: one backend, on which the tests call cases and checks by name. The packages are the built
// files, as an import map finds them, without a bundler.

import { conformanceCases, contractChecks, type Lose, lossChecks, runCase } from '@flashmla/conformance';
import type { Backend, BackendProvider, DeviceInfo, OpenOptions } from '@flashmla/tensor';

/** What the tests call in the page, as `conformance`. */
export interface ConformancePage {
  /** Opens the backend that everything else runs on. */
  open(options: object): Promise<DeviceInfo>;
  runCase(name: string): Promise<void>;
  runCheck(name: string): Promise<void>;
  /** The device is lost as the page says, or with the process that drives the GPU. */
  runLossCheck(name: string, byCrash?: boolean): Promise<void>;
}

declare global {
  var conformance: ConformancePage;
  /** Given to the page by the test. */
  var crashGpuProcess: (() => Promise<void>) | undefined;
}

/** Puts the suite into the page, as the global `conformance`; returns what gives the open backend. */
export function serveConformance(provider: BackendProvider, lose?: Lose): () => Backend {
  const cases = new Map(conformanceCases().map((testCase) => [testCase.name, testCase]));
  const checks = new Map(contractChecks().map((check) => [check.name, check]));
  const losses = new Map(lossChecks().map((check) => [check.name, check]));
  let options: OpenOptions;
  let backend: Backend | undefined;
  const opened = () => {
    if (!backend) throw new Error('the backend did not open');
    return backend;
  };
  globalThis.conformance = {
    async open(chosen) {
      options = chosen;
      backend = await provider.open(options);
      return backend.device;
    },
    runCase: (name) => runCase(opened(), cases.get(name)!),
    runCheck: (name) => checks.get(name)!.run(opened(), () => provider.open(options)),
    runLossCheck: (name, byCrash) => losses.get(name)!.run(() => provider.open(options), byCrash ? crash : lose!),
  };
  return opened;
}

/** Ends the process that drives the GPU, and waits until the backend heard of it. */
async function crash(backend: Backend): Promise<void> {
  await crashGpuProcess!();
  for (let isLost = false; !isLost; ) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    await backend.synchronize().catch(() => {
      isLost = true;
    });
  }
}
