import { describe, expect, it } from 'vitest';
import { failureOf, flashmla, flashmlaJson, slow, useFolder } from './support/cli.ts';

const qas = ['q1', 'q2', 'q3', 'q4'].map((id) => ({
  id,
  question: '?',
  answers: [{ answer_start: 0, text: 'red fox' }],
}));
const squad = JSON.stringify({ version: '1.1', data: [{ title: 'T', paragraphs: [{ context: 'red fox', qas }] }] });
const folder = useFolder();

async function args(predictions: object): Promise<string[]> {
  const data = await folder.write('dev.json', squad);
  const file = await folder.write('pred.json', JSON.stringify(predictions));
  return ['score-squad', '--data', data, '--predictions', file];
}

describe('flashmla score-squad', slow, () => {
  it('gives exact match and F1 in percent, and counts what is missing', async () => {
    const given = await args({ q1: 'The red fox!', q2: 'fox', q3: 'wolf' });
    expect(await flashmlaJson(...given)).toEqual({
      exactMatch: 25,
      f1: expect.closeTo((100 * (1 + 2 / 3)) / 4, 10),
      total: 4,
      missing: 1,
    });
    expect((await flashmla(...given)).stdout).toBe(
      'EM 25.0000, F1 41.6667 over 4 questions\nWithout a prediction, scored 0: 1 (q4)\n',
    );
  });

  it('says nothing of missing answers where there are none', async () => {
    const given = await args({ q1: 'x', q2: 'x', q3: 'x', q4: 'x' });
    expect((await flashmla(...given)).stdout).toBe('EM 0.0000, F1 0.0000 over 4 questions\n');
  });

  it('fails without predictions, and for a file that is something else', async () => {
    const [command, data, file] = await args({});
    expect(await failureOf(command!, data!, file!)).toMatch(/--predictions is missing/);
    expect(await failureOf(command!, data!, file!, '--predictions', file!)).toMatch(
      /dev\.json: data is .*; expected a text/,
    );
  });
});
