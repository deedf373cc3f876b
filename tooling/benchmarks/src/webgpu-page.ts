// What runs in the page of bench:webgpu-layer: this project and onnxruntime-web's WebGPU on the same weights and inputs,
// outputs compared first, then timed in turn, from ordinary memory to ordinary memory.

import { provider } from '@flashmla/kernels-webgpu';
import { EncoderWorkloads, type Geometry, largestDifference, relativeError, type Workload } from '@flashmla/workloads';
import * as ort from 'onnxruntime-web/webgpu';
import { alternate, type Spread, spreadOf } from './statistics.ts';

export interface PageOptions {
  readonly geometry: Geometry;
  readonly tokens: number;
  readonly k: number;
  readonly runs: number;
}

export interface PageResult {
  readonly device: string;
  readonly versions: Readonly<Record<string, string | undefined>>;
  /** The peer's graph that was timed. */
  readonly graph: string;
  /** Graph → the largest difference between its output and our dense one, in units of its root mean square. */
  readonly differences: Readonly<Record<string, number>>;
  /** ‖sparse − dense‖ ÷ ‖dense‖. */
  readonly sparseError: number;
  readonly ms: Readonly<Record<'sparse' | 'dense' | 'peer', Spread>>;
}

declare global {
  var compareLayer: (options: PageOptions) => Promise<PageResult>;
}

const warmUps = 2;
/** A peer's output may be so far from ours and still be the same computation. */
const tolerance = 1e-3;

globalThis.compareLayer = async ({ geometry, tokens, k, runs }) => {
  const backend = await provider.open();
  const layers = new EncoderWorkloads(backend, geometry);
  const workload = layers.workloadOf(tokens, k);
  const own = (name: 'flashmla-sparse' | 'flashmla-dense') => workload.own[name].output(new AbortController().signal);
  const [sparse, dense] = [await own('flashmla-sparse'), await own('flashmla-dense')];
  const peer = await openFastest(workload, dense);

  const contestants = [() => own('flashmla-sparse'), () => own('flashmla-dense'), peer.run];
  const timed = contestants.map((run) => async () => {
    const start = performance.now();
    await run();
    return performance.now() - start;
  });
  await alternate(timed, warmUps);
  const [sparseMs, denseMs, peerMs] = await alternate(timed, runs);
  const result = {
    device: backend.device.description,
    versions: { 'onnxruntime-web': ort.env.versions.web, browser: navigator.userAgent },
    graph: peer.graph,
    differences: peer.differences,
    sparseError: relativeError(sparse, dense),
    ms: { sparse: spreadOf(sparseMs), dense: spreadOf(denseMs), peer: spreadOf(peerMs) },
  };
  await peer.session.release();
  workload.dispose();
  layers.dispose();
  await backend.dispose();
  return result;
};

/**
 * The peer at its best: of the graphs it may run, those that compute what `expected` has, and of these the one whose third
 * run is fastest. (1.30 on SwiftShader: with its own MultiHeadAttention, the outputs are others.)
 */
async function openFastest({ peerGraphs, peerInputs }: Workload, expected: Float32Array) {
  const opened = [];
  const differences: Record<string, number> = {};
  for (const graph of peerGraphs('float32')) {
    const session = await ort.InferenceSession.create(graph.bytes(), {
      executionProviders: ['webgpu'],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 4,
    });
    const run = async () => {
      const feeds = Object.entries(peerInputs).map(([name, { data, shape }]) => [
        name,
        new ort.Tensor('float32', data as Float32Array, shape),
      ]);
      const outputs = await session.run(Object.fromEntries(feeds));
      return (await outputs[session.outputNames[0]].getData()) as Float32Array;
    };
    differences[graph.name] = largestDifference(await run(), expected);
    await run();
    const start = performance.now();
    await run();
    opened.push({ session, graph: graph.name, run, ms: performance.now() - start });
  }
  opened.sort((a, b) => a.ms - b.ms);
  const best = opened.find(({ graph }) => differences[graph] <= tolerance);
  for (const one of opened) if (one !== best) await one.session.release();
  if (!best) throw new Error(`no graph of the peer computes the same: ${JSON.stringify(differences)}`);
  return { ...best, differences };
}
