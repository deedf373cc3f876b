import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { readSquadPredictions, readSquadQuestions, scoreSquad } from '../src/index.ts';
import { normalizedWords } from '../src/squad/normalize.ts';
import { folderOf } from './folder.ts';

const score = (prediction: string, ...answers: string[]) => {
  const { exactMatch, f1 } = scoreSquad([{ id: 'q', answers }], new Map([['q', prediction]]));
  return { exactMatch, f1 };
};

describe('normalizedWords', () => {
  it.each([
    ['The  Cat', 'cat'],
    ['a dog, an ant; the END.', 'dog ant end'],
    ["the U.S. president's", 'us presidents'],
    // Punctuation goes before articles: what it held apart becomes one word.
    ['a-b the.x', 'ab thex'],
    ['Théa a é', 'théa é'],
    // An accent of its own is no letter to Python: the article before it ends there.
    ['the\u0301', '\u0301'],
    ['“the” 10–20', '“ ” 10–20'],
    ['x\u00a0y\u3000z\u001cw\u0085v', 'x y z w v'],
    ['\ufeffx', '\ufeffx'],
    ['The', ''],
  ])('makes of %j what the official script does', (given, expected) => {
    expect(normalizedWords(given).join(' ')).toBe(expected);
  });
});

describe('scoreSquad', () => {
  it('takes the best answer, for exact match and for F1', () => {
    expect(score('the Denver Broncos', 'Carolina', 'Denver Broncos')).toEqual({ exactMatch: 100, f1: 100 });
    // Two of three words, of two: precision 2/3, recall 1.
    expect(score('old Denver Broncos', 'Denver', 'Denver Broncos')).toEqual({
      exactMatch: 0,
      f1: expect.closeTo(80, 10),
    });
    expect(score('Seattle', 'Denver')).toEqual({ exactMatch: 0, f1: 0 });
  });

  it('counts a repeated word as often as both have it', () => {
    // Common words: x x y; precision 3/4, recall 1.
    expect(score('x x x y', 'x x y').f1).toBeCloseTo((100 * 6) / 7, 10);
  });

  it('gives two answers without words an exact match and no F1, as the official script does', () => {
    expect(score('the', 'a')).toEqual({ exactMatch: 100, f1: 0 });
  });

  it('scores 0 for questions without a prediction and names them; ignores predictions for others', () => {
    const questions = ['q1', 'q2', 'q3', 'q4'].map((id) => ({ id, answers: ['yes'] }));
    const predictions = new Map([
      ['q1', 'yes'],
      ['q3', 'no'],
      ['other', 'yes'],
    ]);
    expect(scoreSquad(questions, predictions)).toEqual({ exactMatch: 25, f1: 25, total: 4, missing: ['q2', 'q4'] });
  });

  it('refuses to score nothing', () => {
    expect(() => scoreSquad([], new Map())).toThrow('[evaluation] scoreSquad was given no questions');
  });
});

const squad = (qas: unknown, version: unknown = '1.1') =>
  JSON.stringify({ version, data: [{ title: 'T', paragraphs: [{ context: 'C', qas }] }] });

describe('files of SQuAD', () => {
  it('gives questions with their answers, and predictions', async () => {
    const qas = [
      {
        id: 'q',
        question: '?',
        answers: [
          { answer_start: 0, text: 'C' },
          { answer_start: 0, text: 'D' },
        ],
      },
    ];
    const folder = await folderOf({ 'dev.json': squad(qas), 'pred.json': '{"q":"C"}' });
    expect(await readSquadQuestions(join(folder, 'dev.json'))).toEqual([{ id: 'q', answers: ['C', 'D'] }]);
    expect(await readSquadPredictions(join(folder, 'pred.json'))).toEqual(new Map([['q', 'C']]));
  });

  it.each([
    ['no JSON', '{', /dev\.json is not JSON/],
    ['another version', squad([], 'v2.0'), /dev\.json is SQuAD "v2.0"; expected version "1.1"/],
    ['no articles', '{"version":"1.1"}', /dev\.json: data is missing; expected a list of at least one/],
    ['predictions in its place', '[]', /dev\.json is \[\]; expected an object/],
    [
      'a question without answers',
      squad([{ id: 'q', answers: [] }]),
      /dev\.json: data\[0\]: paragraphs\[0\]: qas\[0\]: answers is \[\]/,
    ],
    ['a question without an id', squad([{ answers: [{ text: 'C' }] }]), /qas\[0\]: id is missing; expected a text/],
  ])('fails for a file with %s', async (_, text, message) => {
    const folder = await folderOf({ 'dev.json': text });
    await expect(readSquadQuestions(join(folder, 'dev.json'))).rejects.toMatchObject({
      code: 'invalid-file',
      message: expect.stringMatching(message),
    });
  });

  it('fails for a prediction that is no text, and for a file that is not there', async () => {
    const folder = await folderOf({ 'pred.json': '{"q":7}' });
    await expect(readSquadPredictions(join(folder, 'pred.json'))).rejects.toThrow(
      /pred\.json: q is 7; expected a text/,
    );
    await expect(readSquadPredictions(join(folder, 'none.json'))).rejects.toThrow(
      /none\.json can't be read: there is no/,
    );
  });
});

const shared = fileURLToPath(new URL('../../../../shared/data/squad/', import.meta.url));
describe.skipIf(!existsSync(shared))(
  'the SQuAD v1.1 dev set and predictions of its leaderboard (../shared is there)',
  () => {
    it.each([
      ['pred_bert_ensemble.json', 86.2062, 92.1956],
      ['pred_logreg.json', 40.1419, 50.9815],
    ])('%s has the scores that the official script gives it', async (file, exactMatch, f1) => {
      const questions = await readSquadQuestions(join(shared, 'dev-v1.1.json'));
      const scores = scoreSquad(questions, await readSquadPredictions(join(shared, file)));
      expect({ exactMatch: scores.exactMatch.toFixed(4), f1: scores.f1.toFixed(4) }).toEqual({
        exactMatch: exactMatch.toFixed(4),
        f1: f1.toFixed(4),
      });
      expect(scores.total).toBe(10570);
    });
  },
);
