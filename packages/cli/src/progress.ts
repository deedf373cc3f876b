// One line on stderr that says what is going on: only on a terminal, and only once it has taken longer than a second.
// It is gone before anything else is printed.

import { shorten } from './output.ts';

const quietMs = 1000;
const redrawMs = 100;
/** Takes the cursor to the start of the line and clears it. */
const clearLine = '\r\u001b[K';

export class ProgressLine {
  readonly #stream: NodeJS.WriteStream;
  #startedAt = performance.now();
  #drawnAt = 0;
  #task = '';
  /** How far it is. */
  #state = '';
  #isShown = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Begins something that may take long. */
  start(task: string): void {
    this.stop();
    if (!this.#stream.isTTY) return;
    this.#startedAt = performance.now();
    this.#task = task;
    this.#state = '';
    // For work that reports nothing while it goes on.
    this.#timer = setInterval(() => this.#draw(), quietMs).unref();
  }

  /**
   * Says how far what was started is.
   *
   * @param done share that is done, between 0 and 1
   * @param detail what to say besides
   */
  update(done: number, detail = ''): void {
    if (!this.#timer) return;
    const elapsedMs = performance.now() - this.#startedAt;
    const left = done > 0 ? ` · ${formatDuration((elapsedMs * (1 - done)) / done)} left` : '';
    this.#state = ` · ${(100 * done).toFixed(0)} %${detail && ` · ${detail}`}${left}`;
    if (performance.now() - this.#drawnAt >= redrawMs) this.#draw();
  }

  /** Ends it; the line disappears. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    if (this.#isShown) this.#stream.write(clearLine);
    this.#isShown = false;
  }

  #draw(): void {
    if (performance.now() - this.#startedAt < quietMs) return;
    this.#drawnAt = performance.now();
    this.#isShown = true;
    this.#stream.write(clearLine + shorten(this.#task + this.#state, (this.#stream.columns || 80) - 1));
  }
}

/** Time left, as coarse as it is certain. */
function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 90) return `${seconds} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
