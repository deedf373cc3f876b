// The executable. Ends the process itself: a peer of the benchmark leaves threads behind that would keep it alive.

import { interrupted, main } from './main.ts';

const controller = new AbortController();
process.on('SIGINT', () => {
  // The first asks the command to stop between two steps; the second does not wait for that.
  if (controller.signal.aborted) process.exit(interrupted);
  controller.abort();
});
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // A reader such as `head` has seen enough.
  if (error.code === 'EPIPE') process.exit(0);
  console.error(`[flashmla] the report can't be written: ${error.message}.`);
  process.exit(1);
});

main(process.argv.slice(2), controller.signal).then((code) => process.exit(code));
