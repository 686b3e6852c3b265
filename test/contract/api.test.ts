import { describe } from '@jest/globals';
import { apiSuite } from './api-suite.ts';
import { doubleContender } from './double-contender.ts';

describe('the double of the API server', () => {
  apiSuite(() => doubleContender());
});
