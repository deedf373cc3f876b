// How late timers are while something else runs: what a server's other requests, or a page's clicks, would feel.

/** Delays, in ms past the due time, of a 1 ms timer that is set anew each time it fires, from the start of `work` on
 *  until it fires the first time after its end. */
export async function timerDelays(work: () => Promise<void>): Promise<number[]> {
  const delays: number[] = [];
  let running = true;
  const stopped = new Promise<void>((resolve) => {
    const set = () => {
      const due = performance.now() + 1;
      setTimeout(() => {
        delays.push(Math.max(0, performance.now() - due));
        if (running) set();
        else resolve();
      }, 1);
    };
    set();
  });
  try {
    await work();
  } finally {
    running = false;
    await stopped;
  }
  return delays;
}
