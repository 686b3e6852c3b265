import type { JsonObject } from '../../../src/shared/effect.ts';
import { type ApiServer, startApiServer } from '../../double/api-server.ts';
import type { Lease } from '../../model/objects.ts';
import { Store } from '../../model/store.ts';

/** The Kubernetes API as an agent sees it: one Lease, which the controller writes to as well. */
export class LeaseServer implements AsyncDisposable {
  readonly #store = new Store({ wallTime: () => Date.now() });
  #api!: ApiServer;

  static async start(): Promise<LeaseServer> {
    const server = new LeaseServer();
    server.#api = await startApiServer({ store: server.#store });
    return server;
  }

  get kubeconfig(): object {
    return {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: this.#api.url } }],
      users: [{ name: 'test', user: { token: 'agent' } }],
    };
  }

  get lease(): Lease | undefined {
    return this.#store.all('leases')[0];
  }

  /** Every request as `METHOD path`, in order. */
  get requests(): readonly string[] {
    return this.#api.requests.map(({ method, path }) => `${method} ${path}`);
  }

  /** The statuses of all requests that were answered. */
  get statuses(): readonly number[] {
    return this.#api.requests.flatMap(({ status }) => (status === undefined ? [] : [status]));
  }

  hang(on: boolean): void {
    this.#api.hang(on);
  }

  /** As the controller does: the agent's next compare-and-swap loses. Null removes. */
  annotate(name: string, value: string | null): void {
    const { lease } = this;
    if (lease === undefined) throw new Error('there is no Lease yet');
    const body: JsonObject = { metadata: { annotations: { [name]: value } } };
    const { name: leaseName, namespace } = lease.metadata;
    const result = this.#store.patch('leases', { name: leaseName, namespace }, body);
    if (!result.ok) throw new Error(result.message);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#api[Symbol.asyncDispose]();
  }
}
