// How tokens are written for readers: as the text had them, whatever their tokenizer marks pieces of words with.

/** One token as it is shown; `space`: whether white space stands before it. */
export interface TokenText {
  readonly text: string;
  readonly space: boolean;
}

const special = /^(\[[A-Z]+\]|<\/?[a-z]+>)$/;
const closes = /^[.,;:!?)\]}%’”'…]/;
const opens = /^[([{“‘$#]$/;

/**
 * @param pieces as the tokenizer spells them: '##' opens a piece that continues a word (WordPiece), 'Ġ' and '▁' one that
 *   begins a word (byte-level BPE, SentencePiece)
 */
export function tokenTexts(pieces: readonly string[]): TokenText[] {
  const marksBeginnings = pieces.some((piece) => piece.startsWith('Ġ') || piece.startsWith('▁'));
  let glue = true;
  return pieces.map((piece) => {
    if (special.test(piece)) {
      glue = false;
      return { text: piece, space: true };
    }
    if (marksBeginnings) {
      const begins = piece.startsWith('Ġ') || piece.startsWith('▁');
      return { text: begins ? piece.slice(1) : piece, space: begins };
    }
    if (piece.startsWith('##')) return { text: piece.slice(2), space: false };
    // What comes after an apostrophe or a hyphen is mostly the rest of the word: don't, well-made.
    const space = !glue && !closes.test(piece) && !/^[-–]$/.test(piece);
    glue = opens.test(piece) || /^['’–-]$/.test(piece);
    return { text: piece, space };
  });
}
