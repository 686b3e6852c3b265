import { describe } from '@jest/globals';
import { clusterContender } from '../cluster/cluster-contender.ts';
import { reflectorSuite } from '../contract/reflector-suite.ts';

describe('against kube-apiserver', () => {
  reflectorSuite(clusterContender, {
    // A bookmark comes about once a minute, and two seconds before the watch's time is over, if
    // something changed: what is quiet is over, after five seconds at the most, before it is silent.
    watchMs: 2_500,
    silenceMs: 8_000,
    openMs: 3_000,
    // It has to be opened again so often that once a busy computer takes more than a second for it.
    resumeMs: 3_000,
    listMs: 3_000,
  });
});
