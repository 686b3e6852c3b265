import type { Contender } from '../contract/api-suite.ts';
import { startCluster } from './start-cluster.ts';

/** etcd and kube-apiserver, and nobody who changes anything by himself. */
export async function clusterContender(): Promise<Contender> {
  const cluster = await startCluster({ controllers: false });
  return {
    access: await cluster.access('admin'),
    forget: () => cluster.forgetHistory(),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
}
