import { describe, expect, it } from '@jest/globals';
import { countJest, type JestReport } from '../count.ts';

const report: JestReport = {
  numPassedTests: 7,
  numFailedTests: 0,
  numPendingTests: 0,
  numTodoTests: 0,
  numRuntimeErrorTestSuites: 0,
};
const well = { succeeded: true, isCi: false };

describe('the count of a stage', () => {
  it.each<[string, Partial<JestReport>, Partial<typeof well>, number]>([
    ['counts nothing against one that is well', {}, {}, 0],
    ['counts what failed', { numFailedTests: 2 }, { succeeded: false }, 2],
    ['counts files that cannot be loaded', { numRuntimeErrorTestSuites: 1 }, {}, 1],
    ['counts one where jest failed and no test did', {}, { succeeded: false }, 1],
    ['lets people skip tests', { numPendingTests: 1, numTodoTests: 1 }, {}, 0],
    ['lets CI skip none', { numPendingTests: 1, numTodoTests: 1 }, { isCi: true }, 2],
  ])('%s', (_, said, how, failed) => {
    const count = countJest({ ...report, ...said }, { ...well, ...how });
    expect(count).toEqual({ passed: 7, failed });
  });
});
