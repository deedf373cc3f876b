// Which Chromium there is, and how it is started: for tests and for benchmarks.

import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

export { isolation, type Site, serve, workspace } from './serve.ts';

const { CHROMIUM_PATH, PATH = '' } = process.env;
const names = ['chromium', 'chromium-browser', 'google-chrome'];

/** The executable: CHROMIUM_PATH, or one of its usual names in PATH. Raises when there is none, and says where it looked. */
export function findChromium(): string {
  const candidates = CHROMIUM_PATH
    ? [CHROMIUM_PATH]
    : names.flatMap((name) =>
        PATH.split(delimiter)
          .filter(Boolean)
          .map((folder) => join(folder, name)),
      );
  const found = candidates.find(existsSync);
  if (found !== undefined) return found;
  const looked = CHROMIUM_PATH ? `CHROMIUM_PATH is ${CHROMIUM_PATH}, no such file` : 'there is no Chromium in PATH';
  throw new Error(`${looked}; install Chromium or set CHROMIUM_PATH to its executable.`);
}

const flags = [
  // Without it, Chromium refuses to run as root.
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  // Keeps it from looking for anything outside.
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** WebGL and WebGPU on SwiftShader, which is a part of Chromium: the same device on every machine. */
const swiftshader = ['--disable-gpu', '--use-webgpu-adapter=swiftshader'];

/** On Linux, Chromium takes its GPU for WebGPU only through Vulkan. */
const anyGpu = ['--enable-features=Vulkan'];

/** Chromium without a window, with a profile that is thrown away. @param adapter what WebGPU runs on */
export function launch(executablePath: string, adapter: 'swiftshader' | 'default'): Promise<Browser> {
  return chromium.launch({ executablePath, args: [...flags, ...(adapter === 'swiftshader' ? swiftshader : anyGpu)] });
}
