import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Lease {
  metadata: { resourceVersion?: string; annotations?: Record<string, string> };
  spec: { holderIdentity: string; renewTime: string };
}

/** The one corner of the Kubernetes API that an agent sees: one Lease, written by compare-and-swap. */
export class LeaseServer implements AsyncDisposable {
  lease: Lease | undefined;
  /** Every request as `METHOD path`, in order. */
  readonly requests: string[] = [];
  /** No request is answered while true. */
  hangs = false;
  #version = 0;
  readonly #server = createServer((request, response) => {
    void this.#answer(request).then((answer) => {
      if (answer === undefined) return;
      const [status, body] = answer;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(body));
    });
  });

  static async start(): Promise<LeaseServer> {
    const server = new LeaseServer();
    await new Promise<void>((resolve) => {
      server.#server.listen(0, '127.0.0.1', () => resolve());
    });
    return server;
  }

  get kubeconfig(): object {
    const { port } = this.#server.address() as AddressInfo;
    return {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      clusters: [{ name: 'test', cluster: { server: `http://127.0.0.1:${port}` } }],
      users: [{ name: 'test', user: { token: 'agent' } }],
    };
  }

  /** As another writer of the same Lease: the agent's next compare-and-swap must lose. */
  annotate(name: string, value: string | undefined): void {
    if (this.lease === undefined) throw new Error('there is no Lease yet');
    const annotations = { ...this.lease.metadata.annotations };
    if (value === undefined) delete annotations[name];
    else annotations[name] = value;
    this.#store({ ...this.lease, metadata: { ...this.lease.metadata, annotations } });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  async #answer(request: IncomingMessage): Promise<[number, unknown] | undefined> {
    this.requests.push(`${request.method} ${request.url}`);
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    if (this.hangs) return undefined;
    const body = Buffer.concat(chunks).toString('utf8');
    const sent = body === '' ? undefined : (JSON.parse(body) as Lease);
    if (request.method === 'POST' && sent !== undefined) {
      return this.lease === undefined ? [201, this.#store(sent)] : [409, status(409)];
    }
    if (this.lease === undefined) return [404, status(404)];
    if (request.method === 'GET') return [200, this.lease];
    if (request.method !== 'PUT' || sent === undefined) return [405, status(405)];
    const current = this.lease.metadata.resourceVersion;
    return sent.metadata.resourceVersion === current
      ? [200, this.#store(sent)]
      : [409, status(409)];
  }

  #store(lease: Lease): Lease {
    this.#version += 1;
    const resourceVersion = String(this.#version);
    this.lease = { ...lease, metadata: { ...lease.metadata, resourceVersion } };
    return this.lease;
  }
}

function status(code: number): object {
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', code };
}
