// flashmla score-squad: predictions for SQuAD v1.1, scored as its official script does.

import { readSquadPredictions, readSquadQuestions, scoreSquad as score } from '@flashmla/evaluation';
import { command } from '../command.ts';
import { required } from '../options.ts';

/** Ids of unanswered questions to print. */
const mostNamed = 10;

export const scoreSquad = command({
  name: 'score-squad',
  summary: 'Scores predictions for SQuAD v1.1: exact match and F1, as the official script does.',
  usage: '--data dev-v1.1.json --predictions F.json',
  details:
    'A question without a prediction scores 0 and counts as missing; predictions for other questions are ignored.',
  options: {
    data: { type: 'string', value: 'F', description: 'SQuAD v1.1, e.g. dev-v1.1.json' },
    predictions: { type: 'string', value: 'F', description: 'a JSON object of answers by the ids of questions' },
  },

  async run(values) {
    const questions = await readSquadQuestions(required('data', values.data, 'dev-v1.1.json'));
    const predictions = await readSquadPredictions(required('predictions', values.predictions, 'predictions.json'));
    const { exactMatch, f1, total, missing } = score(questions, predictions);
    const lines = [`EM ${exactMatch.toFixed(4)}, F1 ${f1.toFixed(4)} over ${total} questions`];
    if (missing.length > 0) {
      const more = missing.length > mostNamed ? ' …' : '';
      lines.push(
        `Without a prediction, scored 0: ${missing.length} (${missing.slice(0, mostNamed).join(', ')}${more})`,
      );
    }
    return { json: { exactMatch, f1, total, missing: missing.length }, text: `${lines.join('\n')}\n` };
  },
});
