import { invalidArgument } from '../errors.ts';

/** Labels of the words of each text, as names. */
export type WordLabels = readonly (readonly string[])[];

/**
 * F1 of entities: of runs of words that labels mark as B-KIND (its first word) and I-KIND (another). An entity is found
 * when its first word, its last word and its kind are. An I- that continues nothing begins an entity, as conlleval has it
 * (Tjong Kim Sang & De Meulder 2003, CoNLL-2003). All other labels mark words outside of entities.
 *
 * @param predicted labels of the words of each text
 * @param expected labels of the same words
 * @returns 0 to 1; 0 where there are no entities on either side
 * @throws FlashMLAError 'invalid-argument' when there are not as many texts and words in one as in the other
 */
export function entityF1(predicted: WordLabels, expected: WordLabels): number {
  const words = (texts: WordLabels) => texts.map(({ length }) => length).join();
  if (words(predicted) !== words(expected)) {
    throw invalidArgument(
      `entityF1 was given ${describe(predicted)} of predicted and ${describe(expected)} of expected labels; expected a ` +
        'label of each for every word.',
    );
  }
  let [found, wanted, both] = [0, 0, 0];
  for (const [text, labels] of expected.entries()) {
    const [there, given] = [entitiesOf(labels), entitiesOf(predicted[text]!)];
    found += given.size;
    wanted += there.size;
    for (const entity of given) if (there.has(entity)) both++;
  }
  return found + wanted === 0 ? 0 : (2 * both) / (found + wanted);
}

/** Whether labels mark entities. */
export const marksEntities = (labels: readonly string[]): boolean =>
  labels.some((label) => partsOf(label) !== undefined);

/** First word, word after the last, and kind of each entity. */
function entitiesOf(labels: readonly string[]): Set<string> {
  const entities = new Set<string>();
  let open: { start: number; kind: string } | undefined;
  for (const [word, label] of [...labels, ''].entries()) {
    const { begins = false, kind } = partsOf(label) ?? {};
    if (open && (begins || kind !== open.kind)) {
      entities.add(`${open.start} ${word} ${open.kind}`);
      open = undefined;
    }
    if (kind !== undefined) open ??= { start: word, kind };
  }
  return entities;
}

function partsOf(label: string): { begins: boolean; kind: string } | undefined {
  const [, mark, kind] = /^([BI])-(.+)$/s.exec(label) ?? [];
  return kind === undefined ? undefined : { begins: mark === 'B', kind };
}

const describe = (texts: WordLabels) => `${texts.length} texts, ${texts.flat().length} words,`;
