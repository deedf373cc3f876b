// bench:webgpu-layer: an encoder layer on WebGPU against onnxruntime-web's WebGPU, in one page of Chromium.

import { findChromium, launch, serve, workspace } from '@flashmla/browser-testing/browser';
import { recommendK } from '@flashmla/gating';
import { badInput, main, progress, whole } from './command.ts';
import { describeMachine, machineLine } from './machine.ts';
import { milliseconds, table, verdict } from './table.ts';
import type { PageResult } from './webgpu-page.ts';

/** Tokens → how many times as fast as the peer sparse has to be. */
const bars = new Map([
  [512, 1],
  [2048, 2],
]);

interface Result extends PageResult {
  readonly tokens: number;
  readonly k: number;
}

void main({
  name: 'webgpu-layer',
  summary: "an encoder layer in Chromium, this project's WebGPU against onnxruntime-web's, outputs compared first.",
  options: {
    tokens: 'lengths; default 512,2048',
    heads: 'heads of 64 features; default 2, for the software GPU that every Chromium has',
    k: 'keys a query selects; default by length',
    runs: 'timed runs of each; default 7',
    adapter: "'swiftshader', Chromium's software GPU (default), or 'default', whatever GPU there is",
  },

  async run(values) {
    const lengths = (values.tokens ?? '512,2048').split(',').map((one) => whole('tokens', one, 1));
    const heads = whole('heads', values.heads, 2);
    const runs = whole('runs', values.runs, 7);
    const { adapter = 'swiftshader' } = values;
    if (adapter !== 'swiftshader' && adapter !== 'default') {
      throw badInput(`--adapter is '${adapter}'; expected 'swiftshader' or 'default'.`);
    }
    const modelDim = 64 * heads;
    const geometry = { modelDim, heads, headDim: 64, intermediateDim: 4 * modelDim, layers: 1 };
    const site = await serve(workspace, { isolated: false });
    const browser = await launch(findChromium(), adapter);
    const results: Result[] = [];
    try {
      for (const tokens of lengths) {
        progress(`${tokens} tokens`);
        const k = whole('k', values.k, recommendK(tokens));
        // A page for each length: neither side finds what the other length left behind.
        const page = await browser.newPage();
        page.on('pageerror', (error) => console.error(error.message));
        await page.goto(`${site.url}tooling/benchmarks/webgpu-page.html`);
        const result = await page.evaluate((options) => compareLayer(options), { geometry, tokens, k, runs });
        results.push({ tokens, k, ...result });
        await page.close();
      }
    } finally {
      progress('');
      await browser.close();
      await site.close();
    }
    const { device, versions } = results[0];
    const machine = describeMachine({ device: { description: device, features: [], limits: {} } });
    return {
      json: { benchmark: 'webgpu-layer', machine, versions, geometry, runs, results, bars: Object.fromEntries(bars) },
      text: [
        machineLine(machine),
        `onnxruntime-web ${versions['onnxruntime-web']}, ${versions.browser}`,
        `one encoder layer, hidden ${modelDim}, ${heads} heads × 64, batch 1, from ordinary memory and back; two rounds to warm up, then ${runs}`,
        '',
        table(
          ['tokens', 'K', 'sparse', 'dense', 'onnxruntime-web', 'against dense', 'against sparse', 'differences'],
          results.map(row),
        ),
        ...results.flatMap(({ tokens, ms }) => {
          const bar = bars.get(tokens);
          if (bar === undefined) return [];
          const times = ms.peer.median / Math.min(ms.sparse.median, ms.dense.median);
          return [`${tokens} tokens: ${times.toFixed(2)}× as fast; bar: ≥ ${bar}×: ${verdict(times >= bar)}`];
        }),
        '',
      ].join('\n'),
    };
  },
});

const row = ({ tokens, k, ms, differences, graph }: Result): string[] => [
  String(tokens),
  String(k),
  ...[ms.sparse, ms.dense].map(({ median }) => milliseconds(median)),
  `${milliseconds(ms.peer.median)} (${graph})`,
  ...[ms.dense, ms.sparse].map(({ median }) => `${(ms.peer.median / median).toFixed(2)}×`),
  Object.entries(differences)
    .map(([name, difference]) => `${name} ${difference.toExponential(1)}`)
    .join(', '),
];
