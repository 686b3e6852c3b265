import { afterAll, describe } from '@jest/globals';
import { ClusterFoundation } from '../cluster/cluster-foundation.ts';
import { type Cluster, startCluster } from '../cluster/start-cluster.ts';
import { driverName, machines, restartSuite } from '../contract/restart-suite.ts';
import { startBedOn } from '../machine/bed.ts';

describe('kube-controller-manager, restarted', () => {
  let cluster: Cluster | undefined;

  restartSuite(async () => {
    // Of its own: others must not lose their controllers.
    const own = await startCluster();
    cluster = own;
    const bed = await startBedOn((site) => ClusterFoundation.lay(own, site), {
      bundle: undefined,
      replicas: 0,
      driverName,
      machines,
    });
    return {
      bed,
      restartControllers: () => own.component('kube-controller-manager').restart(),
    };
  });
  afterAll(() => cluster?.[Symbol.asyncDispose](), 60_000);
});
