import { describe } from '@jest/globals';
import { startCluster } from '../cluster/start-cluster.ts';
import { apiSuite } from '../contract/api-suite.ts';

describe('kube-apiserver', () => {
  apiSuite(async () => {
    const cluster = await startCluster({ controllers: false });
    return {
      access: await cluster.access('admin'),
      forget: () => cluster.forgetHistory(),
      [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
    };
  });
});
