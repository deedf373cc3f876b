// Writing to the terminal: 80 columns, and colours where they are wanted.

import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'cyan';

export const screenWidth = 80;

export class Screen {
  readonly #write: (text: string) => void;
  readonly #colors: boolean;

  constructor(write: (text: string) => void, colors: boolean) {
    this.#write = write;
    this.#colors = colors;
  }

  line(text = ''): void {
    this.#write(`${text}\n`);
  }

  heading(text: string): void {
    this.line();
    this.line(this.paint('bold', text));
    this.line();
  }

  /** Prose, broken at the screen's width; lines after the first are indented by `indent`. */
  prose(text: string, indent = 0): void {
    for (const line of wrap(text, screenWidth, indent)) this.line(line);
  }

  /** Styles are put on last: they take no columns, so text must be padded before. */
  paint(style: Style, text: string): string {
    return this.#colors ? styleText(style, text, { validateStream: false }) : text;
  }
}

/** Whether output goes to a terminal that shows colours and whose user has not asked for none (no-color.org). */
export function wantsColors(isTTY: boolean, environment: NodeJS.ProcessEnv): boolean {
  return isTTY && !environment.NO_COLOR && environment.TERM !== 'dumb';
}

function wrap(text: string, width: number, indent: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = ' '.repeat(indent) + word;
    } else {
      line += line === '' ? word : ` ${word}`;
    }
  }
  return [...lines, line];
}
