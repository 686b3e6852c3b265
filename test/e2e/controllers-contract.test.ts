import { afterAll, describe } from '@jest/globals';
import { ClusterFoundation } from '../cluster/cluster-foundation.ts';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import { controllersSuite, driverName, machines } from '../contract/controllers-suite.ts';
import { startBedOn } from '../machine/bed.ts';

describe('kube-controller-manager, kube-scheduler and external-attacher', () => {
  let cluster: Cluster | undefined;

  controllersSuite(async () => {
    const shared = await sharedCluster();
    cluster = shared;
    return await startBedOn((site) => ClusterFoundation.lay(shared, site), {
      bundle: undefined,
      replicas: 0,
      driverName,
      machines,
    });
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
});
