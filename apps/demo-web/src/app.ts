// What the page does: opens a backend and the model, predicts, runs, and gets up again after a failure. One thing at a
// time: what is asked for later cancels what is under way.

import { Engine, EngineError } from './engine/engine.ts';
import type { LoadEvent, ModelChoice, Opened, RunEvent } from './engine/protocol.ts';
import { find } from './page/elements.ts';
import { KeysPanel } from './page/keys.ts';
import { LatencyPanel } from './page/latency.ts';
import { showPrediction } from './page/prediction.ts';
import { ResultsPanel } from './page/results.ts';
import { SettingsPanel } from './page/settings-panel.ts';
import { Status } from './page/status.ts';
import { TextPanel } from './page/text-panel.ts';
import { shippedModel } from './shipped-model.ts';

const predictAfterMs = 200;

export class App {
  readonly #engine = new Engine();
  readonly #results = new ResultsPanel();
  readonly #latency = new LatencyPanel();
  readonly #keys = new KeysPanel();
  readonly #status: Status;
  readonly #settings: SettingsPanel;
  readonly #text: TextPanel;
  #model: ModelChoice = shippedModel;
  #opened: Opened | undefined;
  /** Ends when what is under way has ended, however it did. */
  #current: Promise<void> = Promise.resolve();
  #controller = new AbortController();
  #predictTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    this.#status = new Status({ onCancel: () => this.#controller.abort(), onAgain: () => this.#openAndRun() });
    this.#settings = new SettingsPanel(
      () => this.#openAndRun(),
      () => this.#reopen(),
    );
    this.#text = new TextPanel({
      onText: () => this.#predictSoon(),
      onChosen: () => this.#openAndRun(),
      onModel: ({ name, files }) => {
        this.#model = { name, files };
        this.#reopen();
      },
    });
    find<'form'>('form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#openAndRun();
    });
    this.#clear();
    showPrediction(undefined);
  }

  /** Opens the best backend with the shipped model, and runs the first sample. */
  async start(): Promise<void> {
    this.#openAndRun();
    const { reports } = await this.#engine.call('probe', null);
    this.#settings.showBackends(reports);
    await this.#current;
  }

  #reopen(): void {
    this.#opened = undefined;
    this.#openAndRun();
  }

  #openAndRun(): void {
    this.#instead(async (signal) => {
      if (!this.#opened) await this.#open(signal);
      await this.#predict();
      await this.#run(signal);
    });
  }

  /** Cancels what is under way and does `work` when that has ended. */
  #instead(work: (signal: AbortSignal) => Promise<void>): void {
    this.#controller.abort();
    const controller = new AbortController();
    this.#controller = controller;
    const before = this.#current;
    this.#current = (async () => {
      await before;
      if (controller.signal.aborted) return;
      this.#status.clearError();
      try {
        await work(controller.signal);
      } catch (error) {
        await this.#failed(error);
      }
    })();
  }

  async #open(signal: AbortSignal): Promise<Opened> {
    const { backend, precision: dtype } = this.#settings.values;
    const onEvent = ({ task, done, total }: LoadEvent) => {
      this.#status.busy(task === 'fetch' ? 'Fetching the model' : 'Loading the model', { done, total });
    };
    this.#status.busy(backend === undefined ? 'Choosing a backend' : 'Opening the backend');
    const opened = await this.#engine.call('open', { backend, dtype, model: this.#model }, { onEvent, signal });
    this.#opened = opened;
    showOpened(opened);
    return opened;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { text } = this.#text;
    if (text === '') {
      this.#status.idle('Ready.');
      return this.#text.notice('There is no text yet: paste one, drop a file, or take a sample.', { isError: true });
    }
    const { k, gate } = this.#settings.values;
    this.#clear();
    await this.#engine.call('run', { text, k, gate }, { signal, onEvent: (event) => this.#show(event) });
    this.#status.idle('Done.');
  }

  #show(event: RunEvent): void {
    if (event.kind === 'step') this.#status.busy(event.step);
    else if (event.kind === 'point') this.#latency.add(event.point);
    else if (event.kind === 'selections') void this.#keys.show(event.pieces, event.layers);
    else if (event.kind === 'qualities') this.#keys.showQualities(event.heads, event.tokens);
    else this.#results.add(event);
  }

  #clear(): void {
    this.#results.clear();
    this.#latency.clear();
  }

  #predictSoon(): void {
    clearTimeout(this.#predictTimer);
    this.#predictTimer = setTimeout(() => void this.#predict().catch(() => showPrediction(undefined)), predictAfterMs);
  }

  async #predict(): Promise<void> {
    clearTimeout(this.#predictTimer);
    const { text } = this.#text;
    if (!this.#opened || text === '') {
      showPrediction(undefined);
      return this.#text.showLength(undefined, 0);
    }
    const planned = await this.#engine.call('plan', { text, k: this.#settings.values.k });
    // A later text's prediction is on its way.
    if (text !== this.#text.text) return;
    showPrediction(planned);
    this.#text.showLength(planned, this.#opened?.model.maxTokens ?? planned.tokens);
  }

  /** Says what happened. After a failure of the backend the worker is replaced and all is opened again, ready to run. */
  async #failed(error: unknown): Promise<void> {
    if (isAbort(error)) return this.#status.idle('Cancelled.');
    const isFatal = !(error instanceof EngineError) || error.isFatal;
    if (!this.#opened || !isFatal) {
      this.#status.idle(isLoss(error) ? 'The device was lost; the next run opens it again.' : 'Stopped.');
      return this.#status.failed(messageOf(error));
    }
    const { backend } = this.#opened;
    this.#opened = undefined;
    this.#engine.restart();
    this.#status.failed(`The backend ${backend} failed: ${messageOf(error)}`);
    try {
      const { backend: successor } = await this.#open(this.#controller.signal);
      const now = successor === backend ? 'was opened again' : `made way for ${successor}`;
      this.#status.idle(`The backend ${backend} failed and ${now}.`);
    } catch (again) {
      if (isAbort(again)) return this.#status.idle('Cancelled.');
      this.#status.idle('Stopped.');
      const advice = 'Choose another one, or try again.';
      this.#status.failed(`The backend ${backend} failed, and can't be opened again: ${messageOf(again)} ${advice}`);
    }
  }
}

const isAbort = (error: unknown): boolean => error instanceof EngineError && error.code === 'aborted';

/** What is open in the worker recovers by itself. */
const isLoss = (error: unknown): boolean => error instanceof EngineError && error.code === 'device-lost';

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function showOpened({ why, device, isolated, model }: Opened): void {
  const note = isolated
    ? ''
    : ' The page is not cross-origin isolated, so it has no shared memory and computes on one thread.';
  find('why').textContent = `${why}.${note}`;
  find('why').title = device;
  const { name, layers, heads, headDim, modelDim, maxTokens, labels } = model;
  const sizes = `${layers} layers of ${heads} heads × ${headDim}, ${modelDim} wide, up to ${maxTokens} tokens`;
  find('model').textContent =
    `${name}: ${sizes}; ${labels.length > 0 ? labels.join(' or ') : 'no classification head'}.`;
}
