// Makes the float16 copy of a Hugging Face model folder that a data package ships:
//   node tooling/model-conversion/convert-to-float16.mjs SOURCE_DIR TARGET_DIR
// Assumes one model.safetensors in float32 and a built @flashmla/tensor. Each weight is rounded once, to nearest even;
// names, shapes and metadata stay. What loading and running the model does not need (READMEs, test data) stays behind.

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeSafetensors, encodeSafetensors, float32ToFloat16, safetensorsMetadata, tensor } from '@flashmla/tensor';

const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json'];
const FLOAT16_INFINITY = 0x7c00;

async function convert(sourceDirectory, targetDirectory) {
  const weightsFile = join(sourceDirectory, 'model.safetensors');
  const bytes = await readFile(weightsFile);
  const halved = new Map();
  for (const [name, weight] of decodeSafetensors(bytes, weightsFile)) halved.set(name, toFloat16(name, weight));
  const weights = encodeSafetensors(halved, safetensorsMetadata(bytes, weightsFile));

  const config = JSON.parse(await readFile(join(sourceDirectory, 'config.json'), 'utf8'));
  config.torch_dtype = 'float16';

  // Nothing is written until everything was read and converted: a failure leaves no half-made folder.
  const files = new Map([
    ['model.safetensors', weights],
    ['config.json', `${JSON.stringify(config, null, 2)}\n`],
  ]);
  for (const name of TOKENIZER_FILES) files.set(name, await readFile(join(sourceDirectory, name)));
  await mkdir(targetDirectory, { recursive: true });
  for (const [name, content] of files) await writeFile(join(targetDirectory, name), content);
  console.log(`${halved.size} tensors, ${weights.byteLength} bytes: ${join(targetDirectory, 'model.safetensors')}`);
}

function toFloat16(name, weight) {
  if (weight.dtype !== 'float32') {
    throw new Error(`[model-conversion] '${name}' is ${weight.dtype}, float32 was expected; give the trained model.`);
  }
  const patterns = float32ToFloat16(weight.array);
  // The exponent is all ones in infinities and NaN, and in nothing else.
  const bad = patterns.findIndex((pattern) => (pattern & FLOAT16_INFINITY) === FLOAT16_INFINITY);
  if (bad !== -1) {
    throw new Error(
      `[model-conversion] '${name}' holds ${weight.array[bad]} at element ${bad}; float16 ends at 65504, keep this model in float32.`,
    );
  }
  return tensor(patterns, weight.shape, 'float16');
}

const [sourceDirectory, targetDirectory] = process.argv.slice(2);
if (targetDirectory === undefined) {
  console.error('Usage: node convert-to-float16.mjs SOURCE_DIR TARGET_DIR');
  process.exitCode = 1;
} else {
  await convert(sourceDirectory, targetDirectory).catch((error) => {
    console.error(error.message);
    process.exitCode = 1;
  });
}
