import { type ApiServer, startApiServer } from '../double/api-server.ts';
import { ControlPlane, type ControlPlaneOptions } from '../model/control-plane.ts';
import type { Objects, ResourceName } from '../model/objects.ts';
import { Store } from '../model/store.ts';
import type { ApiAccess } from './api-access.ts';
import type { Change, Foundation, Site, Visitor } from './foundation.ts';
import { GrpcDriver } from './grpc-driver.ts';
import type { Endpoint } from './proxy.ts';

/** How often the control plane works; attach/detach needs 100 ms or less. */
const stepMs = 50;

/** The double of the API server and the modelled controllers, in this process. */
export class ModelFoundation implements Foundation {
  readonly store: Store;
  readonly controlPlane: ControlPlane;
  readonly server: ApiServer;
  readonly #things: AsyncDisposableStack;

  static async lay(
    site: Site,
    options: Omit<ControlPlaneOptions, 'drivers'> = {},
  ): Promise<ModelFoundation> {
    const things = new AsyncDisposableStack();
    const store = new Store({ wallTime: () => Date.now() });
    const server = things.use(await startApiServer({ store }));
    const driver = things.adopt(new GrpcDriver(site.driverName, site.csiAddress), (one) => {
      one.close();
    });
    const controlPlane = new ControlPlane(store, { ...options, drivers: [driver] });
    for (const name of ['default', 'kube-system', 'kube-node-lease', site.namespace]) {
      store.create('namespaces', { metadata: { name } });
    }
    const metadata = { name: site.driverName };
    store.create('csidrivers', { metadata, spec: { attachRequired: true } });
    const timer = setInterval(() => controlPlane.step(performance.now()), stepMs);
    things.defer(() => clearInterval(timer));
    return new ModelFoundation({ store, server, controlPlane, things });
  }

  private constructor(parts: {
    readonly store: Store;
    readonly server: ApiServer;
    readonly controlPlane: ControlPlane;
    readonly things: AsyncDisposableStack;
  }) {
    this.store = parts.store;
    this.server = parts.server;
    this.controlPlane = parts.controlPlane;
    this.#things = parts.things;
  }

  get endpoint(): Endpoint {
    return { host: '127.0.0.1', port: this.server.port };
  }

  /** Every token is welcome, and is who one is in the server's journal. */
  access(visitor: Visitor): Promise<ApiAccess> {
    const { kind } = visitor;
    const server = this.server.url;
    switch (kind) {
      case 'person':
        return Promise.resolve({ server, token: kind });
      case 'controller':
        return Promise.resolve({ server, token: visitor.name });
      case 'agent':
      case 'kubelet':
        return Promise.resolve({ server, token: `${kind}:${visitor.node}` });
    }
  }

  find<R extends ResourceName>(
    resource: R,
    name: string,
    namespace?: string,
  ): Objects[R] | undefined {
    return this.store.find(resource, name, namespace);
  }

  all<R extends ResourceName>(resource: R): readonly Objects[R][] {
    return this.store.all(resource);
  }

  subscribe(listener: (change: Change) => void): void {
    this.store.subscribe((event) => listener({ ...event, at: Date.now() }));
  }

  createNamespace(name: string): Promise<void> {
    this.store.create('namespaces', { metadata: { name } });
    return Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#things.disposeAsync();
  }
}
