// Tells 'this package is not installed' from 'it is installed, but importing it failed'.
//
// There is no standard for a missing module: Node has a code, bundlers and browsers only a message. All of them quote the
// specifier as it was written. A package that is there but broken (its build is missing, one of its own imports is)
// is complained about with another name or with a path.

/** Why a backend package gave no provider. */
export interface Unusable {
  readonly installed: boolean;
  readonly reason: string;
}

// Node and webpack "cannot find", Vite "could not resolve", esbuild and Chromium "failed to resolve", Safari "does not
// resolve", Firefox "was not remapped", Deno "not a dependency".
const missing =
  /cannot find|could not resolve|failed to resolve (?:module specifier|import)|does not resolve|not remapped|not a dependency/i;

export function unusable(packageName: string, error: unknown): Unusable {
  const message = messageOf(error);
  const quotes = [`'${packageName}'`, `"${packageName}"`, `“${packageName}”`, `\`${packageName}\``];
  if (missing.test(message) && quotes.some((quoted) => message.includes(quoted))) {
    return { installed: false, reason: `not installed: npm i ${packageName}` };
  }
  return { installed: true, reason: `installed, but importing it failed: ${message}` };
}

/** The first line of an error's message: a reason is one line, whatever was thrown. */
export function messageOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split('\n', 1)[0] || 'no reason given';
}
