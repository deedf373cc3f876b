// The scores of SQuAD v1.1, as its official script gives them.

import { invalidArgument } from '../errors.ts';
import { normalizedWords } from './normalize.ts';
import type { Question } from './questions.ts';

export interface SquadScores {
  /** Percent of questions whose answer is one of the given ones, word for word once normalized. */
  readonly exactMatch: number;
  /** Mean over the questions, in percent: F1 of the words, with the given answer that fits best. */
  readonly f1: number;
  /** Questions. */
  readonly total: number;
  /** Ids of the questions without a prediction; they score 0. */
  readonly missing: readonly string[];
}

/**
 * Scores predictions as evaluate-v1.1.py does: exact match and F1 of the words, each the most over a question's answers,
 * their means over all questions. Predictions for other questions are ignored.
 *
 * @param predictions answers by the ids of questions
 * @throws FlashMLAError 'invalid-argument' when there are no questions
 */
export function scoreSquad(questions: readonly Question[], predictions: ReadonlyMap<string, string>): SquadScores {
  if (questions.length === 0) throw invalidArgument('scoreSquad was given no questions; expected at least one.');
  const missing: string[] = [];
  let exactMatch = 0;
  let f1 = 0;
  for (const { id, answers } of questions) {
    const prediction = predictions.get(id);
    if (prediction === undefined) {
      missing.push(id);
      continue;
    }
    const given = normalizedWords(prediction);
    const expected = answers.map(normalizedWords);
    if (expected.some((words) => words.join(' ') === given.join(' '))) exactMatch++;
    f1 += Math.max(...expected.map((words) => f1OfWords(given, words)));
  }
  const total = questions.length;
  return { exactMatch: (100 * exactMatch) / total, f1: (100 * f1) / total, total, missing };
}

/** A word counts as often as both have it. Two answers without any word share none: 0. */
function f1OfWords(given: readonly string[], expected: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of expected) left.set(word, (left.get(word) ?? 0) + 1);
  let same = 0;
  for (const word of given) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    same++;
    left.set(word, count - 1);
  }
  if (same === 0) return 0;
  const [precision, recall] = [same / given.length, same / expected.length];
  return (2 * precision * recall) / (precision + recall);
}
