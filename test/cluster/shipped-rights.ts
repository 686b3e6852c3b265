/** The rights of manifests/, granted on a cluster, and who has them: as in production. */
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ApiAccess } from '../machine/api-access.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import type { Pod } from '../model/objects.ts';
import { type Grant, grants, textOf } from '../unit/manifests/grants.ts';
import { Audit } from './audit.ts';
import type { Cluster } from './start-cluster.ts';

export interface Grantee {
  readonly driverName: string;
  /** Of the driver; it exists. */
  readonly namespace: string;
  /** Where the layer of the driver is written to. */
  readonly folder: string;
}

const base = fileURLToPath(new URL('../../manifests/base', import.meta.url));
const layer = fileURLToPath(
  new URL('../../manifests/examples/test-driver/access', import.meta.url),
);

/**
 * The worked example's layer over manifests/base, for another driver; and a Pod object for each
 * process of ours, scheduled on its node: to that its token is bound, and thereby says which node
 * it is for. At the end it reads in the audit log what was asked and refused.
 */
export class ShippedRights implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #grantee: Grantee;
  readonly #api: ApiClient;
  readonly #things = new AsyncDisposableStack();

  private constructor(cluster: Cluster, grantee: Grantee, api: ApiClient) {
    this.#cluster = cluster;
    this.#grantee = grantee;
    this.#api = this.#things.use(api);
  }

  static async grant(cluster: Cluster, grantee: Grantee): Promise<ShippedRights> {
    const api = new ApiClient(await cluster.access('admin'), 10_000);
    const rights = new ShippedRights(cluster, grantee, api);
    try {
      await rights.#apply();
      await rights.#createControlNode();
      return rights;
    } catch (error: unknown) {
      await rights.#things.disposeAsync();
      throw error;
    }
  }

  /** A token like that of a pod of the driver's controller Deployment. */
  controller(name: string): Promise<ApiAccess> {
    return this.#accessOf('csi-failover-controller', name, this.#controlNode);
  }

  /**
   * A token like that of the pod that the driver's DaemonSet has on the node, once its kubelet has
   * registered that. A pod that is there before its node starts PodGC's quarantine for the name; the
   * 40 s go on when the node comes (nodeQueue in gc_controller.go), and whoever deletes the node soon
   * sees its pods collected in less.
   */
  async agent(node: string): Promise<ApiAccess> {
    const isThere = async (): Promise<boolean> =>
      (await this.#api.get('nodes', { name: node })).object !== undefined;
    await eventually(isThere, { what: `node ${node} to be registered`, withinMs: 60_000 });
    return await this.#accessOf('csi-failover-node', `agent-${node}`, node);
  }

  /** Rejects if anything was refused that the product asked for, and says which rule is missing. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#things.disposeAsync();
    } finally {
      await this.#audit();
    }
  }

  async #audit(): Promise<void> {
    const accounts = ['csi-failover-controller', 'csi-failover-node'] as const;
    const audit = await Audit.read(this.#cluster.folder, {
      ...this.#grantee,
      accounts: new Map(accounts.map((account) => [this.#nameOf(account), account])),
    });
    audit.recordUse();
    audit.check();
  }

  async #apply(): Promise<void> {
    const { driverName } = this.#grantee;
    const folder = join(realpathSync(this.#grantee.folder), `rights-${driverName}`);
    mkdirSync(folder, { recursive: true });
    for (const file of ['kustomization.yaml', 'namespace.yaml']) {
      writeFileSync(join(folder, file), this.#adapted(readFileSync(join(layer, file), 'utf8')));
    }
    await this.#cluster.kubectl(['apply', '--server-side', `--kustomize=${folder}`]);
    this.#things.defer(async () => {
      await this.#cluster.kubectl(['delete', '--wait=false', `--kustomize=${folder}`]);
    });
    await eventually(() => this.#inEffect(), { what: 'the rights to be in effect' });
  }

  /** What stands in the example, for another driver. */
  #adapted(text: string): string {
    const { driverName, namespace, folder } = this.#grantee;
    const there = relative(join(realpathSync(folder), `rights-${driverName}`), base);
    return text
      .replaceAll('test.csi-failover.io', driverName)
      .replaceAll('csi-test-driver', namespace)
      .replaceAll('-test-driver', this.#suffix)
      .replace(/resources: \[.*\]/, `resources: [${there}]`);
  }

  /** The authorizer hears of roles and bindings by watches of its own. */
  async #inEffect(): Promise<true> {
    const allowed = await Promise.all(grants().map((grant) => this.#isAllowed(grant)));
    const missing = grants().filter((_, index) => allowed[index] !== true);
    if (missing.length > 0) throw new Error(`not yet: ${missing.map(textOf).join('; ')}`);
    return true;
  }

  async #isAllowed({ subject, verb, group, resource, namespace, names }: Grant): Promise<boolean> {
    const home = this.#grantee.namespace;
    const [plural = '', subresource = ''] = resource.split('/');
    const where = namespace === '*' ? '' : namespace === 'kube-node-lease' ? namespace : home;
    const resourceAttributes = {
      verb,
      group,
      resource: plural,
      subresource,
      namespace: where,
      name: names?.[0] ?? '',
    };
    const user = `system:serviceaccount:${home}:${this.#nameOf(subject)}`;
    const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews';
    const spec = { user, resourceAttributes };
    const { object } = await this.#api.call<{ readonly status: { readonly allowed: boolean } }>(
      'POST',
      path,
      { apiVersion: 'authorization.k8s.io/v1', kind: 'SubjectAccessReview', spec },
    );
    return object?.status.allowed === true;
  }

  /** Of the controllers: not one of the bed's machines, so that none of these takes them along. */
  async #createControlNode(): Promise<void> {
    const name = this.#controlNode;
    // A zone of its own: it never becomes Ready, and shall not count among nodes that fail.
    const labels = { 'topology.kubernetes.io/zone': 'control' };
    const node = { metadata: { name, labels }, spec: { unschedulable: true } };
    const { status, message } = await this.#api.create('nodes', node);
    if (status !== 201) throw new Error(`node ${name}: ${message}`);
    this.#things.defer(async () => {
      await this.#api.delete('nodes', { name }, { gracePeriodSeconds: 0 });
    });
  }

  async #accessOf(account: string, podName: string, node: string): Promise<ApiAccess> {
    const { namespace } = this.#grantee;
    const name = this.#nameOf(account);
    const pod = await this.#podOn(node, `${podName}${this.#suffix}`, name);
    const { uid } = pod.metadata;
    const token = await this.#cluster.tokenFor(
      { namespace, name },
      { name: pod.metadata.name, uid },
    );
    return { ...(await this.#cluster.access('admin')), token };
  }

  /** The pod that stands, or a new one where it is gone: what a DaemonSet and a Deployment do. */
  async #podOn(nodeName: string, name: string, serviceAccountName: string): Promise<Pod> {
    const { namespace } = this.#grantee;
    const place = { namespace, name };
    const found = await this.#api.get('pods', place);
    if (found.object !== undefined && found.object.metadata.deletionTimestamp === undefined) {
      return found.object;
    }
    await this.#api.delete('pods', place, { gracePeriodSeconds: 0 });
    const { object, message } = await this.#api.create('pods', {
      metadata: place,
      spec: {
        nodeName,
        serviceAccountName,
        tolerations: [{ operator: 'Exists' }],
        containers: [{ name: 'csi-failover', image: 'example.test/csi-failover:1' }],
      },
    });
    if (object === undefined) throw new Error(`pod ${name}: ${message}`);
    this.#things.defer(async () => {
      await this.#api.delete('pods', place, { gracePeriodSeconds: 0 });
    });
    return object;
  }

  #nameOf(account: string): string {
    return `${account}${this.#suffix}`;
  }

  get #suffix(): string {
    return `-${this.#grantee.driverName}`;
  }

  get #controlNode(): string {
    return `control${this.#suffix}`;
  }
}
