// The size budget: what a browser downloads of each published library, brotli-compressed, in kB (1000 bytes). A budget is
// about a quarter above the size it was set at.
// Assumes a finished build. Scripts (entry and worker) are counted together, and the largest .wasm file, because a
// browser loads only the build that fits it. Dependencies are counted where they live; model files are data, not code.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';

const budgets = {
  '@flashmla/tensor': 22,
  '@flashmla/kernels-cpu': 46,
  '@flashmla/kernels-webgpu': 28,
  '@flashmla/kernels-webgl': 23,
  '@flashmla/kernels-cuda': 21,
  '@flashmla/kernels-native': 13,
  '@flashmla/backend': 11,
  '@flashmla/evaluation': 9,
  '@flashmla/gating': 27,
  '@flashmla/attention': 9,
  '@flashmla/model-swap': 34,
  '@flashmla/train': 20,
  '@flashmla/model-sentiment': 1,
};

const packages = fileURLToPath(new URL('../../packages/', import.meta.url));
const kilobytes = (file) => brotliCompressSync(readFileSync(file)).byteLength / 1000;

function measure(folder) {
  const { name, exports } = JSON.parse(readFileSync(`${packages}${folder}/package.json`, 'utf8'));
  if (exports === undefined) return []; // a command line: no browser downloads it
  const dist = `${packages}${folder}/dist/`;
  const files = existsSync(dist) ? readdirSync(dist, { recursive: true }).map((file) => dist + file) : [];
  const sizes = (extension) => files.filter((file) => file.endsWith(extension)).map(kilobytes);
  const scripts = sizes('.js').reduce((sum, size) => sum + size, 0);
  const wasm = Math.max(0, ...sizes('.wasm'));
  const total = scripts + wasm;
  const verdict = total === 0 ? 'not built' : !(name in budgets) ? 'no budget' : total > budgets[name] ? 'over' : 'ok';
  return [{ name, scripts, wasm, total, verdict }];
}

const rows = readdirSync(packages).flatMap(measure);
const line = (name, ...cells) => console.log(name.padEnd(28) + cells.map((cell) => `${cell}`.padStart(10)).join(''));
line('brotli, kB', 'scripts', 'wasm', 'total', 'budget', '');
for (const { name, scripts, wasm, total, verdict } of rows) {
  line(name, scripts.toFixed(1), wasm.toFixed(1), total.toFixed(1), budgets[name] ?? '-', verdict);
}
process.exitCode = rows.every(({ verdict }) => verdict === 'ok') ? 0 : 1;
