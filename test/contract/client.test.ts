import { describe } from '@jest/globals';
import { clientSuite } from './client-suite.ts';
import { doubleContender } from './double-contender.ts';

describe('against the double of the API server', () => {
  clientSuite(() => doubleContender());
});
