// The four choosers: K, gate, precision, backend.

import type { BackendName, BackendReport, GateName } from '../engine/protocol.ts';
import { gates, keyCounts, type Precision, precisions, precisionsOf } from '../settings.ts';
import { find, make, option } from './elements.ts';

export interface Settings {
  readonly k: number | undefined;
  readonly gate: GateName;
  readonly precision: Precision;
  /** undefined = the best there is. */
  readonly backend: BackendName | undefined;
}

export class SettingsPanel {
  readonly #k = find<'select'>('k');
  readonly #gate = find<'select'>('gate');
  readonly #precision = find<'select'>('precision');
  readonly #backend = find<'select'>('backend');
  #reports: readonly BackendReport[] = [];

  /**
   * @param onChange K or the gate changed
   * @param onReopen the backend or the precision changed: the model must be opened again
   */
  constructor(onChange: () => void, onReopen: () => void) {
    this.#k.replaceChildren(
      ...keyCounts.map((count) =>
        count === undefined ? option('', 'by length') : option(String(count), String(count)),
      ),
    );
    this.#gate.replaceChildren(...Object.keys(gates).map((name) => option(name, name)));
    this.#backend.replaceChildren(option('', 'the fastest here'));
    for (const select of [this.#k, this.#gate]) select.addEventListener('change', onChange);
    this.#backend.addEventListener('change', () => this.#offerPrecisions());
    for (const select of [this.#precision, this.#backend]) select.addEventListener('change', onReopen);
    this.#gate.addEventListener('change', () => this.#explainGate());
    this.#explainGate();
    this.#offerPrecisions();
  }

  get values(): Settings {
    return {
      k: this.#k.value === '' ? undefined : Number(this.#k.value),
      gate: this.#gate.value as GateName,
      precision: this.#precision.value as Precision,
      backend: this.#backend.value === '' ? undefined : (this.#backend.value as BackendName),
    };
  }

  /** Offers the backends that work here, and says of every one what it is or why it is not. */
  showBackends(reports: readonly BackendReport[]): void {
    this.#reports = reports;
    const chosen = this.#backend.value;
    this.#backend.replaceChildren(
      option('', 'the fastest here'),
      ...reports.map(({ name, available }) =>
        option(name, available ? name : `${name} (not here)`, { disabled: !available, selected: name === chosen }),
      ),
    );
    find('backends').replaceChildren(
      ...reports.map(({ name, available, reason, device }) => {
        const text = available ? `available: ${device ?? reason}` : reason;
        return make(
          'li',
          { class: available ? 'available' : 'unavailable' },
          make('strong', { text: name }),
          new Text(` ${text}`),
        );
      }),
    );
    const count = reports.filter(({ available }) => available).length;
    find('backend-note').textContent = `${count} of ${reports.length} backends work in this browser.`;
    this.#offerPrecisions();
  }

  /** A precision that the chosen backend does not compute in is shown, but can't be taken. */
  #offerPrecisions(): void {
    const { precision, backend } = this.values;
    const offered = precisionsOf(this.#reports, backend);
    this.#precision.replaceChildren(
      ...precisions.map((name) =>
        option(name, name, {
          disabled: !offered.includes(name),
          selected: name === precision && offered.includes(name),
        }),
      ),
    );
    find('precision-lack').hidden = offered.length === precisions.length;
  }

  #explainGate(): void {
    find('gate-note').textContent = gates[this.values.gate];
  }
}
