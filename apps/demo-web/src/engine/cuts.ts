// The lengths at which a text is timed.

const lengths = [128, 256, 512, 1024, 2048];

/** Lengths below that of the text; one that is almost the text's own would tell nothing new. */
export const cutsOf = (tokens: number): number[] => lengths.filter((length) => length < 0.9 * tokens);
