// The model and the texts that benchmarks on real data take when they are given none: those beside a checkout used for
// development.

import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { modelUrl } from '@flashmla/model-sentiment';
import { badInput } from './command.ts';

/** From the built script. */
const beside = (path: string): string => fileURLToPath(new URL(`../../../../shared/${path}`, import.meta.url));

/** The folder that was given, else the trained model beside the checkout, else the shipped one. */
export function modelFolder(given: string | undefined): string {
  const trained = beside('models/sentiment-4l-256');
  return given ?? (existsSync(trained) ? trained : fileURLToPath(modelUrl));
}

/** The file that was given, else `file` of the data beside the checkout; raises where there is none. */
export function dataFile(given: string | undefined, file: string): string {
  const data = given ?? beside(`data/${file}`);
  if (!existsSync(data)) throw badInput(`there is no ${data}, so nothing was measured; give texts with --data FILE.`);
  return data;
}
