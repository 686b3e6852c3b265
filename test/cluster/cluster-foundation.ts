import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { kinds, type Objects, type ResourceName } from '../model/objects.ts';
import type { ApiAccess } from '../machine/api-access.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import type { Change, Foundation, Site, Visitor } from '../machine/foundation.ts';
import { ManagedProcess } from '../machine/process.ts';
import type { Endpoint } from '../machine/proxy.ts';
import { ObjectWatch } from './object-watch.ts';
import { ShippedRights } from './shipped-rights.ts';
import type { Cluster } from './start-cluster.ts';
import { sweep } from './sweep.ts';

export interface ClusterFoundationOptions {
  /** Of external-attacher; without them its defaults: 5 requests a second, 10 workers, 15 s. */
  readonly attacherFlags?: readonly string[];
  /** Of the CSIDriver; default true. */
  readonly attachRequired?: boolean;
}

/**
 * A real control plane, which may carry several beds at once, and a real external-attacher beside
 * the bed's driver. Our own processes have the shipped rights and no others. At the end everything
 * that belongs to the bed is gone from the cluster.
 */
export class ClusterFoundation implements Foundation {
  readonly cluster: Cluster;
  readonly watch: ObjectWatch;
  readonly attacher: SupervisedAttacher;
  readonly #api: ApiClient;
  readonly #rights: ShippedRights;
  readonly #things: AsyncDisposableStack;

  static async lay(
    cluster: Cluster,
    site: Site,
    options: ClusterFoundationOptions = {},
  ): Promise<ClusterFoundation> {
    const things = new AsyncDisposableStack();
    try {
      const api = things.use(new ApiClient(await cluster.access('admin'), 10_000));
      const watch = things.use(new ObjectWatch(api));
      await watch.start([...kinds.keys()]);
      // Before the watch ends: it knows what belongs to the bed.
      things.defer(() => sweep(api, watch, site));
      const attacher = things.use(new SupervisedAttacher(cluster, site, options));
      await attacher.start();
      await createNamespace(api, site.namespace);
      const rights = things.use(await ShippedRights.grant(cluster, site));
      const foundation = new ClusterFoundation({ cluster, api, watch, attacher, rights, things });
      const metadata = { name: site.driverName };
      const { status, message } = await api.create('csidrivers', {
        metadata,
        spec: { attachRequired: options.attachRequired ?? true, podInfoOnMount: false },
      });
      if (status !== 201) throw new Error(`CSIDriver ${site.driverName}: ${message}`);
      return foundation;
    } catch (error: unknown) {
      await things.disposeAsync();
      throw error;
    }
  }

  private constructor(parts: {
    readonly cluster: Cluster;
    readonly api: ApiClient;
    readonly watch: ObjectWatch;
    readonly attacher: SupervisedAttacher;
    readonly rights: ShippedRights;
    readonly things: AsyncDisposableStack;
  }) {
    this.cluster = parts.cluster;
    this.watch = parts.watch;
    this.attacher = parts.attacher;
    this.#api = parts.api;
    this.#rights = parts.rights;
    this.#things = parts.things;
  }

  get endpoint(): Endpoint {
    return this.cluster.endpoint;
  }

  access(visitor: Visitor): Promise<ApiAccess> {
    switch (visitor.kind) {
      case 'person':
        return this.cluster.access('admin');
      case 'controller':
        return this.#rights.controller(visitor.name);
      case 'agent':
        return this.#rights.agent(visitor.node);
      case 'kubelet':
        return this.cluster.access({ node: visitor.node });
    }
  }

  find<R extends ResourceName>(
    resource: R,
    name: string,
    namespace?: string,
  ): Objects[R] | undefined {
    return this.watch.find(resource, name, namespace);
  }

  all<R extends ResourceName>(resource: R): readonly Objects[R][] {
    return this.watch.all(resource);
  }

  subscribe(listener: (change: Change) => void): void {
    this.watch.subscribe(listener);
  }

  createNamespace(name: string): Promise<void> {
    return createNamespace(this.#api, name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#things.disposeAsync();
  }
}

/** A namespace takes pods when the controller manager has given it its default service account. */
async function createNamespace(api: ApiClient, name: string): Promise<void> {
  // It may be there already.
  await api.create('namespaces', { metadata: { name } });
  const path = `/api/v1/namespaces/${name}/serviceaccounts/default`;
  await eventually(async () => (await api.call('GET', path)).status === 200, {
    what: `namespace ${name} to have its default service account`,
  });
}

/** external-attacher ends itself when it loses the driver's socket; a kubelet would restart it. */
export class SupervisedAttacher implements AsyncDisposable {
  readonly #cluster: Cluster;
  readonly #site: Site;
  readonly #flags: readonly string[];
  #process: ManagedProcess | undefined;
  #wanted = false;

  constructor(cluster: Cluster, site: Site, { attacherFlags = [] }: ClusterFoundationOptions) {
    this.#cluster = cluster;
    this.#site = site;
    this.#flags = attacherFlags;
  }

  get process(): ManagedProcess | undefined {
    return this.#process;
  }

  async start(): Promise<void> {
    if (this.#wanted) return;
    this.#wanted = true;
    const kubeconfig = await this.#cluster.kubeconfig('csi-attacher');
    void this.#keepAlive(kubeconfig);
  }

  /** SIGKILL, and nobody starts it again. */
  async stop(): Promise<void> {
    this.#wanted = false;
    await this.#process?.kill();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #keepAlive(kubeconfig: string): Promise<void> {
    while (this.#wanted) {
      this.#process = new ManagedProcess({
        name: 'csi-attacher',
        command: this.#cluster.binaries['csi-attacher'],
        args: [
          // A bare path: it does not know `unix:`.
          `--csi-address=${this.#site.csiAddress.slice('unix:'.length)}`,
          `--kubeconfig=${kubeconfig}`,
          ...this.#flags,
        ],
        logFile: join(this.#site.folder, 'csi-attacher.log'),
        runId: this.#site.runId,
      });
      await this.#process.exited;
      await sleep(500);
    }
  }
}
