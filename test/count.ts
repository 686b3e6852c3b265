/** How many tests of a stage passed and failed, for the line that closes everything. */
export interface Count {
  readonly passed: number;
  readonly failed: number;
}

/** The part of jest's `--json` report that we read. */
export interface JestReport {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  /** Files that could not even be loaded. */
  readonly numRuntimeErrorTestSuites: number;
}

/** Nobody reads "skipped" in a log of CI, so there a skipped test is a failed one. */
export function skipped(count: number, isCi: boolean): Count {
  return { passed: 0, failed: isCi ? count : 0 };
}

export function notRunIn({ numPendingTests, numTodoTests }: JestReport): number {
  return numPendingTests + numTodoTests;
}

export function countJest(
  report: JestReport,
  { succeeded, isCi }: { readonly succeeded: boolean; readonly isCi: boolean },
): Count {
  const { numFailedTests, numRuntimeErrorTestSuites } = report;
  const notRun = skipped(notRunIn(report), isCi);
  const failed = numFailedTests + numRuntimeErrorTestSuites + notRun.failed;
  // Jest may fail without a failed test: a leak, a coverage threshold, no tests at all.
  return { passed: report.numPassedTests, failed: succeeded ? failed : Math.max(1, failed) };
}
