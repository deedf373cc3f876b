// JSONL: one JSON object a line.

import { invalidFile } from '../errors.ts';
import { Row } from './row.ts';

/**
 * The rows of a JSONL file; empty lines are none.
 *
 * @param file its name, for messages
 * @param limit rows to read from the start
 * @throws FlashMLAError 'invalid-file' for a line that is no JSON object, and where there are no rows
 */
export function parseJsonl(text: string, file: string, limit = Number.POSITIVE_INFINITY): Row[] {
  const rows: Row[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    if (rows.length >= limit) break;
    if (line.trim() !== '') rows.push(parseLine(line, `${file}:${index + 1}`));
  }
  if (rows.length === 0) throw invalidFile(`${file} has no rows; expected one JSON object a line.`);
  return rows;
}

/**
 * The row of one line.
 *
 * @param place file and line, for messages
 * @throws FlashMLAError 'invalid-file' for a line that is no JSON object
 */
export function parseLine(line: string, place: string): Row {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw invalidFile(`${place} is not JSON (${(cause as Error).message}); expected one JSON object a line.`, {
      cause,
    });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidFile(`${place} is ${JSON.stringify(value)}; expected a JSON object such as { "text": "…" }.`);
  }
  return new Row(place, value as Record<string, unknown>);
}
