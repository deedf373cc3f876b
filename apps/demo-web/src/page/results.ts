// Label and confidence, dense against sparse, and what each took.

import { formatBytes, formatMs, formatShare, formatTimes } from '@flashmla/demo/src/format.ts';
import type { Answer, Cost, Kind, RunEvent } from '../engine/protocol.ts';
import { find, make } from './elements.ts';

interface Result {
  answer?: Answer;
  cost?: Cost;
}

export class ResultsPanel {
  #results: Record<Kind, Result> = { dense: {}, sparse: {} };

  clear(): void {
    this.#results = { dense: {}, sparse: {} };
    this.#draw();
  }

  add(event: Extract<RunEvent, { kind: 'answer' | 'cost' }>): void {
    const result = this.#results[event.attention];
    if (event.kind === 'answer') result.answer = event.answer;
    else result.cost = event.cost;
    this.#draw();
  }

  #draw(): void {
    for (const kind of ['dense', 'sparse'] as const) {
      const card = find(kind);
      card.querySelector('.body')?.remove();
      card.append(bodyOf(this.#results[kind]));
    }
    find('verdict').replaceChildren(...verdictOf(this.#results));
  }
}

function bodyOf({ answer, cost }: Result): HTMLElement {
  const body = make('div', { class: 'body' });
  const label = answer ? (answer.label ?? 'no head') : '–';
  body.append(make('p', { class: `answer ${label}`, text: label }));
  const meter = make('meter');
  Object.assign(meter, { min: 0, max: 1, value: answer?.confidence ?? 0 });
  meter.setAttribute('aria-label', 'Confidence');
  body.append(meter);
  const figures = make('dl', { class: 'figures' });
  const add = (name: string, value: string) =>
    figures.append(make('div', {}, make('dt', { text: name }), make('dd', { text: value })));
  add('Confidence', answer && answer.confidence > 0 ? formatShare(answer.confidence, 1) : '–');
  add('Time', cost ? formatMs(cost.elapsedMs) : '–');
  add('Memory', cost ? formatBytes(cost.peakBytes) : '–');
  add('Keys computed', cost ? formatShare(cost.keysShare, cost.keysShare < 0.1 ? 1 : 0) : '–');
  body.append(figures);
  return body;
}

/** The comparison in a sentence, as far as it is known. */
function verdictOf({ dense, sparse }: Record<Kind, Result>): Node[] {
  if (!dense.answer) return [new Text('The answers appear here.')];
  if (!sparse.answer)
    return [new Text(`Dense attention says ${dense.answer.label ?? 'nothing: the model has no head'}.`)];
  const same = dense.answer.label === sparse.answer.label;
  const nodes: Node[] = [
    make('strong', { class: same ? 'same' : 'different', text: same ? 'Same label' : 'Another label' }),
  ];
  if (!dense.cost || !sparse.cost) return [...nodes, new Text('.')];
  if (sparse.cost.ranDense) {
    return [...nodes, new Text(': the text has no more tokens than sparse picks keys, so both ran dense.')];
  }
  const share = formatShare(sparse.cost.keysShare, sparse.cost.keysShare < 0.1 ? 1 : 0);
  const times = dense.cost.elapsedMs / sparse.cost.elapsedMs;
  const speed =
    times >= 1
      ? `${formatTimes(times)} as fast`
      : `at ${formatTimes(times)} the speed: short texts are better off dense`;
  return [...nodes, new Text(` from ${share} of the keys, ${speed}.`)];
}
