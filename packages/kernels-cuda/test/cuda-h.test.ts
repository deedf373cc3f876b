// The calls of driver.ts against the toolkit's own header, where there is one: exported names and parameters.

import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { signatures } from '../src/driver.ts';

const { CUDA_HOME = '/usr/local/cuda' } = process.env;
const file = `${CUDA_HOME}/include/cuda.h`;

/** Called under the name they had before, with the same parameters: drivers that lack the new one are still in use. */
const older = new Set(['cuEventElapsedTime']);

/** How driver.ts writes a parameter of the header; several where more than one way is right. */
function lettersOf(parameter: string): string {
  if (parameter.includes('**') || /\*\s*\w+$/.test(parameter)) {
    // Names are strings; memory of the driver's is an integer, memory of JavaScript's a pointer.
    return /^const char \*/.test(parameter) ? 's' : 'mu';
  }
  const type = parameter.replace(/\s*\w+$/, '').trim();
  if (type === 'size_t') return 'z';
  if (type === 'unsigned int') return 'w';
  if (type === 'unsigned long long' || type === 'CUdeviceptr') return 'u';
  if (/^CU(context|stream|event|module|function|graph|graphExec)$/.test(type)) return 'u';
  return 'i';
}

if (existsSync(file)) {
  describe(`what is called is what ${file} declares`, () => {
    const header = readFileSync(file, 'utf8');
    it.each(Object.entries(signatures))('%s', (name, [letters, symbol = name]) => {
      const macro = new RegExp(`^#define ${name} +(?:__CUDA_API_PT[SD][SZ]\\()?(\\w+)\\)?\\s*$`, 'm').exec(header);
      expect(symbol).toBe(older.has(name) ? name : (macro?.[1] ?? name));
      // The header keeps older versions at its end: the first declaration is the one the macro stands for.
      const declared = new RegExp(`CUresult CUDAAPI ${name}\\(([^)]*)\\);`).exec(header)![1]!;
      const parameters = declared.split(',').map((parameter) => parameter.trim());
      expect(letters).toHaveLength(parameters.length);
      parameters.forEach((parameter, at) => {
        expect(lettersOf(parameter), parameter).toContain(letters[at]);
      });
    });
  });
} else {
  test.skip(`calls against cuda.h: not run: there is no ${file}; CUDA_HOME names the toolkit`, () => {});
}
