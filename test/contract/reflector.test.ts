import { describe } from '@jest/globals';
import { doubleContender } from './double-contender.ts';
import { reflectorSuite } from './reflector-suite.ts';

describe('against the double of the API server', () => {
  reflectorSuite(() => doubleContender({ bookmarkIntervalMs: 50 }), {
    openMs: 300,
    listMs: 300,
    silenceMs: 300,
  });
});
