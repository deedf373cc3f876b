// The demo: real text through dense and through sparse attention, side by side, on a terminal.

import { fileURLToPath } from 'node:url';
import { selectBackend } from '@flashmla/backend';
import { modelUrl } from '@flashmla/model-sentiment';
import { loadModel } from '@flashmla/model-swap';
import { FlashMLAError } from '@flashmla/tensor';
import { parseCommandLine, usage } from './command-line.ts';
import { InputError } from './input-error.ts';
import { classify, withSparse } from './measure.ts';
import { Screen, wantsColors } from './screen.ts';
import { showChosenKeys } from './sections/chosen-keys.ts';
import { showLongTexts } from './sections/long-texts.ts';
import { showRecall } from './sections/recall.ts';
import { showSetup } from './sections/setup.ts';
import { showShortTexts } from './sections/short-texts.ts';
import { showSpeedByLength } from './sections/speed-by-length.ts';
import { ownTexts, textsOf } from './texts.ts';

async function main(args: readonly string[]): Promise<void> {
  const { files, k, color, help } = parseCommandLine(args);
  if (help) return console.log(usage);
  const { short, long } = files.length > 0 ? textsOf(files) : ownTexts();
  const { stdout } = process;
  const screen = new Screen((text) => stdout.write(text), color && wantsColors(stdout.isTTY, process.env));

  await using backend = await selectBackend();
  await using model = await loadModel(fileURLToPath(modelUrl), { backend });
  showSetup(screen, model);
  // What happens once: the gates are fitted, and the engine compiles what is hot.
  const warmUp = () => classify(model, [long[0]!.content]);
  await warmUp();
  await withSparse(model, { k, crossover: 0 }, warmUp);

  if (short.length > 0) await showShortTexts(screen, model, short, k);
  await showLongTexts(screen, model, long, k);
  const longest = long.reduce((a, b) => (b.content.length > a.content.length ? b : a));
  await showSpeedByLength(screen, model, longest, k);
  await showRecall(screen, model, long[0]!, k);
  await showChosenKeys(screen, model, long[0]!, k);
}

// A reader that has seen enough (`npm start | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

main(process.argv.slice(2)).catch((error: unknown) => {
  const isExpected = error instanceof InputError || error instanceof FlashMLAError;
  console.error(isExpected ? error.message : error);
  process.exitCode = 1;
});
