// How SQuAD v1.1 compares answers (Rajpurkar et al. 2016, arXiv 1606.05250): as its official evaluate-v1.1.py, step by
// step, in that order. Python's idea of words and white space is spelt out, for JavaScript's is another.

/** string.punctuation: ASCII alone. Curly quotes and dashes stay. */
const punctuation = /[!-/:-@[-`{-~]/g;

/** Python's \b stands between letters, digits and underscores of all scripts. */
const articles = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** What str.split() parts at: also the four separators of ASCII, U+001C to U+001F, and U+0085. */
const space = new RegExp(`[\\t-\\r${String.fromCharCode(0x1c)}-${String.fromCharCode(0x1f)}\\x85\\p{Z}]+`, 'u');

/** The words of an answer: lower case, without punctuation and articles. */
export function normalizedWords(answer: string): string[] {
  return answer
    .toLowerCase()
    .replace(punctuation, '')
    .replace(articles, ' ')
    .split(space)
    .filter((word) => word !== '');
}
