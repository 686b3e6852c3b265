import { describe } from '@jest/globals';
import { clusterContender } from '../cluster/cluster-contender.ts';
import { apiSuite } from '../contract/api-suite.ts';

describe('kube-apiserver', () => {
  apiSuite(clusterContender);
});
