// bench:gate-error: how far sparse attention is from dense in each layer of a real model on real texts, next to the values
// of the design. Neither load nor speed of the machine matters to it.

import { measureSelection, type SelectionQuality } from '@flashmla/gating';
import { provider } from '@flashmla/kernels-cpu';
import { loadModel } from '@flashmla/model-swap';
import type { Backend } from '@flashmla/tensor';
import { main, progress, whole } from './command.ts';
import { GateSpaces } from './gate-error/gate-spaces.ts';
import { type Method, methods } from './gate-error/methods.ts';
import { type Projections, Projector, readLayerWeights } from './gate-error/projections.ts';
import { allowance, compare, type Published } from './gate-error/published.ts';
import { type Cell, fittedTo, type Row, reportOf } from './gate-error/report.ts';
import { builtInTexts, chooseTexts, firstRunTexts } from './gate-error/texts.ts';
import { describeMachine, machineLine } from './machine.ts';
import { dataFile, modelFolder } from './shared-data.ts';
import { mean } from './statistics.ts';
import { verdict } from './table.ts';

/** Factors of all logits: as the model has them, and a stand-in for sharper heads. */
const sharpnesses = [1, 3];

void main({
  name: 'gate-error',
  summary: 'relative output error of each attention layer, sparse against dense, on the same inputs.',
  options: {
    model: 'a BERT model folder; default: shared/models/sentiment-4l-256 beside the checkout, else the shipped model',
    data: 'a JSONL file of { text } or { a } rows; default: shared/data/imdb/test2000.jsonl beside the checkout',
    texts: 'texts to measure, and as many others to fit to; default 24',
    skip: 'suitable texts to leave out first, to see how much the choice of texts matters; default none',
  },

  async run(values) {
    const folder = modelFolder(values.model);
    const data = dataFile(values.data, 'imdb/test2000.jsonl');
    const count = whole('texts', values.texts, 24);
    const skip = values.skip === undefined ? 0 : whole('skip', values.skip, 0);

    const backend = await provider.open();
    const model = await loadModel(folder, { backend });
    const weights = await readLayerWeights(folder, model.architecture);
    const projector = new Projector(model, weights);
    const spaces = new GateSpaces(model.architecture, weights);
    const texts = await chooseTexts(model, data, 2 * count, skip);
    const measured = texts.slice(0, count);
    progress('running the texts');
    await spaces.addTexts('other texts', texts.slice(count), projector);
    await spaces.addTexts('built-in texts', builtInTexts(model), projector);
    await spaces.addTexts('first run', firstRunTexts(model), projector);
    const inputs: Projections[][] = [];
    for (const text of measured) inputs.push(await projector.project(text));

    const rows: Row[] = [];
    const errorsOf = new Map<Published, number[]>();
    for (const [index, method] of methods.entries()) {
      const { published } = method;
      progress(`${index + 1} of ${methods.length}: ${published.title}, ${fittedTo(method)}`);
      const cells = await measure(backend, method, spaces, inputs);
      const errors = cells.map(({ error }) => error);
      errorsOf.set(published, errors);
      const floor = method.bar === 'floor' && published.floor ? errorsOf.get(published.floor) : undefined;
      rows.push({ method, cells, comparison: compare(errors, published, floor) });
    }
    progress('');
    const machine = describeMachine(backend);
    await model.dispose();
    await backend.dispose();

    const comparisons = (bar: Method['bar']) => rows.flatMap((row) => (row.method.bar === bar ? [row.comparison] : []));
    const holds = {
      toValue: comparisons('error').every(({ toValue }) => toValue <= allowance),
      toRoundedValue: comparisons('error').every(({ toRoundedValue }) => toRoundedValue <= allowance),
      toFloor: comparisons('floor').every(({ toFloor }) => toFloor !== undefined && toFloor <= allowance),
    };
    const tokens = measured.map(({ ids }) => ids.length);
    return {
      json: {
        ...{ benchmark: 'gate-error', machine, model: folder, data, tokens, skip, warmUp: 0, runs: 1 },
        results: rows.map(({ method, cells, comparison }) => ({
          ...{ method: method.published.title, fittedTo: fittedTo(method), k: method.k, cells, comparison },
          ...{
            published: { plain: method.published.plain, sharp: method.published.sharp },
            bar: method.bar,
          },
        })),
        ...{ bar: { allowance }, holds },
      },
      text: [
        machineLine(machine),
        folder,
        `relative output error of each layer, mean over heads and ${count} texts of ${tokens.join(', ')} tokens`,
        '',
        reportOf(rows, weights.length),
        `bar, rows marked *, on these texts: ÷ value ≤ ${allowance}: ${verdict(holds.toValue)}; ÷ rounded: ${verdict(holds.toRoundedValue)}`,
        `set up as in the design: ÷ floor ≤ ${allowance}: ${verdict(holds.toFloor)}`,
        '',
      ].join('\n'),
    };
  },
});

/** All layers at all sharpnesses. */
async function measure(
  backend: Backend,
  method: Method,
  spaces: GateSpaces,
  texts: readonly (readonly Projections[])[],
): Promise<Cell[]> {
  const cells: Cell[] = [];
  for (const sharpness of sharpnesses) {
    for (const layer of texts[0].keys()) {
      using selector = await method.selector(spaces, layer, sharpness);
      const qualities: SelectionQuality[] = [];
      const residualGroups: number[] = [];
      for (const text of texts) {
        const inputs = { backend, ...text[layer], layout: 'tokens-first' } as const;
        const scale = sharpness / Math.sqrt(inputs.query.shape[3]);
        using selection = await selector.select({ ...inputs, scale });
        residualGroups.push(selection.residualGroup);
        qualities.push(await measureSelection({ ...inputs, scale, selection }));
      }
      const errors = qualities.map(({ error }) => error);
      const ranks = method.space && (await spaces.get(method.space, layer, sharpness)).ranks;
      cells.push({
        ...{ layer, sharpness, error: mean(errors), least: Math.min(...errors), most: Math.max(...errors) },
        ...{ recall: mean(qualities.map(({ recall }) => recall)), ...(ranks && { ranks }), residualGroups },
      });
    }
  }
  return cells;
}
