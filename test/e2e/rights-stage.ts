/**
 * The worked example of manifests/, applied to a real cluster: its DaemonSet and its Deployment
 * make the pods, and the tokens are bound to those, as a kubelet has them.
 */
import { driverLabel } from '../../src/shared/names.ts';
import { loadApiServer } from '../../src/shared/kubernetes/kube-config.ts';
import { Transport } from '../../src/shared/kubernetes/transport.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { type Cluster, startCluster } from '../cluster/start-cluster.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import type { Pod } from '../model/objects.ts';
import { agentAccount, controllerAccount, driver, namespace } from './rendered.ts';

export class RightsStage implements AsyncDisposable {
  readonly cluster: Cluster;
  /** Somebody who may do everything. */
  readonly admin: ApiClient;
  readonly #things: AsyncDisposableStack;

  static async open(): Promise<RightsStage> {
    const things = new AsyncDisposableStack();
    // Without watch-lists, as older API servers: then everything that is watched is also listed.
    const flags = { 'kube-apiserver': ['--feature-gates=WatchList=false'] };
    const cluster = things.use(await startCluster({ flags }));
    const admin = things.use(new ApiClient(await cluster.access('admin'), 10_000));
    return new RightsStage(cluster, admin, things);
  }

  private constructor(cluster: Cluster, admin: ApiClient, things: AsyncDisposableStack) {
    this.cluster = cluster;
    this.admin = admin;
    this.#things = things;
  }

  /** A node that takes pods; there is no machine behind it. */
  async addNode(name: string): Promise<void> {
    const capacity = { cpu: '4', memory: '8Gi', pods: '20' };
    const conditions = [{ type: 'Ready', status: 'True', reason: 'Test', message: '' }];
    const status = { capacity, allocatable: capacity, conditions };
    const { status: code, message } = await this.admin.create('nodes', {
      metadata: { name },
      status,
    });
    if (code !== 201) throw new Error(`node ${name}: ${message}`);
  }

  /** What there is to see, to act on and to steal, beside the example's own objects. */
  async furnish(): Promise<void> {
    const { admin } = this;
    await admin.create('namespaces', { metadata: { name: 'shop' } });
    const path = '/api/v1/namespaces/shop/serviceaccounts/default';
    await eventually(async () => (await admin.call('GET', path)).status === 200, {
      what: 'namespace shop to take pods',
    });
    await admin.create('csinodes', { metadata: { name: 'rights-b' }, spec: { drivers: [] } });
    const spec = { nodeName: 'rights-b', containers: [{ name: 'main', image: 'example.test/1' }] };
    for (const [index, name] of ['mysql-0', 'wordpress-0'].entries()) {
      const pod = await admin.create('pods', { metadata: { namespace: 'shop', name }, spec });
      const attachment = await admin.create('volumeattachments', {
        metadata: { name: `csi-${index + 1}`, finalizers: ['example.test/kept'] },
        spec: { attacher: driver, nodeName: 'rights-b', source: { persistentVolumeName: name } },
      });
      const messages = [pod.message, attachment.message].join('');
      if (messages !== '') throw new Error(messages);
    }
    for (const [home, name] of [
      ['kube-node-lease', 'rights-b'],
      [namespace, 'external-attacher-leader'],
    ] as const) {
      await admin.create('leases', {
        metadata: { namespace: home, name },
        spec: { holderIdentity: name },
      });
    }
  }

  /** Says at the RoleBinding of the agents whose heartbeats they write; null: does not. */
  async labelAgents(driverName: string | null): Promise<void> {
    const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/rolebindings`;
    const body = { metadata: { labels: { [driverLabel]: driverName } } };
    const { status, message } = await this.admin.call(
      'PATCH',
      `${path}/csi-failover-node-agent-test-driver`,
      body,
      'application/merge-patch+json',
    );
    if (status !== 200) throw new Error(message);
  }

  /** A role of somebody else, for an account that has ours. */
  async grantLeases(account: string): Promise<void> {
    const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}`;
    const metadata = { name: 'all-leases' };
    const apiGroup = 'rbac.authorization.k8s.io';
    await this.admin.call('POST', `${rbac}/roles`, {
      metadata,
      rules: [{ apiGroups: ['coordination.k8s.io'], resources: ['leases'], verbs: ['*'] }],
    });
    await this.admin.call('POST', `${rbac}/rolebindings`, {
      metadata,
      roleRef: { apiGroup, kind: 'Role', name: metadata.name },
      subjects: [{ kind: 'ServiceAccount', namespace, name: account }],
    });
  }

  /** Of the DaemonSet's pod there, as its kubelet gets it. */
  async agentToken(node: string): Promise<string> {
    return await this.#tokenOf(await this.agentPod(node), agentAccount);
  }

  /** Of a pod of the Deployment, on whatever node. */
  async controllerToken(): Promise<string> {
    const isThere = (node: string): boolean => node !== '';
    const pod = await this.#podOf('csi-test-driver-controller', isThere);
    return await this.#tokenOf(pod, controllerAccount);
  }

  /** The pod of the DaemonSet there. */
  async agentPod(node: string): Promise<Pod> {
    return await this.#podOf('csi-test-driver-node', (one) => one === node);
  }

  async #podOf(app: string, isThere: (node: string) => boolean): Promise<Pod> {
    return await eventually(
      async () => {
        const pods = await this.admin.list('pods', { namespace, labelSelector: `app=${app}` });
        return pods?.find(({ spec }) => isThere(spec.nodeName ?? ''));
      },
      { what: `a pod of ${app}`, withinMs: 30_000, everyMs: 200 },
    );
  }

  async client(token: string): Promise<ApiClient> {
    const access = await this.cluster.access('admin');
    return this.#things.use(new ApiClient({ ...access, token }));
  }

  /** The product's own way to the API. */
  async transport(token: string): Promise<Transport> {
    const path = await this.cluster.kubeconfig({ token });
    const server = loadApiServer(path);
    const limit = undefined;
    return this.#things.adopt(
      new Transport({ server, clock: systemClock, random: Math.random, limit }),
      (transport) => transport.close(),
    );
  }

  #tokenOf({ metadata }: Pod, account: string): Promise<string> {
    return this.cluster.tokenFor({ namespace, name: account }, metadata);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#things.disposeAsync();
  }
}
