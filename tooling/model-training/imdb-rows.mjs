// Rows of `flashmla train` from a folder of the IMDB reviews as they are downloaded (Maas et al. 2011):
//   node tooling/model-training/imdb-rows.mjs aclImdb/train > imdb.train.jsonl
// Assumes the folders neg and pos with a text file for each review.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files are named by number and stars, 12_7.txt. */
const byNumber = (a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10);

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('Usage: node imdb-rows.mjs aclImdb/train > imdb.train.jsonl');
  process.exitCode = 1;
} else {
  for (const [label, name] of ['neg', 'pos'].entries()) {
    for (const file of readdirSync(join(folder, name)).sort(byNumber)) {
      const text = readFileSync(join(folder, name, file), 'utf8');
      process.stdout.write(`${JSON.stringify({ text, label })}\n`);
    }
  }
}
