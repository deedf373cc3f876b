// Figures out of what vitest and compute-sanitizer report.

/** @param report of vitest's JSON reporter */
export function countTests({ numPassedTests, numFailedTests, numPendingTests, testResults }) {
  const failures = testResults
    .flatMap(({ assertionResults }) => assertionResults)
    .filter(({ status }) => status === 'failed')
    .map(({ fullName, failureMessages }) => `${fullName}: ${failureMessages[0]?.split('\n', 1)[0] ?? ''}`);
  // A thousand failures have few causes: the first ones are enough to find them.
  return { passed: numPassedTests, failed: numFailedTests, skipped: numPendingTests, failures: failures.slice(0, 50) };
}

/** @param output of compute-sanitizer and what ran under it */
export function countMemcheck(output) {
  const errors = /^=+ ERROR SUMMARY: (\d+) error/m.exec(output)?.[1];
  const cases = /^(\d+) cases/m.exec(output)?.[1];
  const first = /^=+ (Invalid .*|.*leaked.*|Program hit .*)$/m.exec(output)?.[1];
  return {
    ...(errors !== undefined && { errors: Number(errors) }),
    ...(cases !== undefined && { cases: Number(cases) }),
    ...(first !== undefined && { reason: first }),
  };
}
