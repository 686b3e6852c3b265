import { describe } from '@jest/globals';
import { clusterContender } from '../cluster/cluster-contender.ts';
import { clientSuite } from '../contract/client-suite.ts';

describe('against kube-apiserver', () => {
  clientSuite(clusterContender);
});
