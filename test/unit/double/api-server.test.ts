/** The double over real HTTP: verbs, preconditions, status subresource, lists, faults. */
import { request as httpRequest } from 'node:http';
import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/shared/effect.ts';
import { type ApiServer, startApiServer } from '../../double/api-server.ts';
import { Store } from '../../model/store.ts';

interface Answer {
  readonly status: number;
  readonly body: JsonObject & { readonly metadata?: JsonObject; readonly items?: JsonObject[] };
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

function newStore(): Store {
  return new Store({ wallTime: () => Date.UTC(2026, 0, 1) });
}

async function call(
  server: ApiServer,
  method: string,
  path: string,
  body?: JsonObject,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const type = method === 'PATCH' ? 'application/merge-patch+json' : 'application/json';
  const sent = body === undefined ? '' : JSON.stringify(body);
  const length = Buffer.byteLength(sent);
  return await new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      `${server.url}${path}`,
      {
        method,
        agent: false,
        headers: { 'content-type': type, 'content-length': length, ...headers },
      },
      (incoming) => {
        let text = '';
        incoming.on('data', (chunk: Buffer) => {
          text += chunk.toString();
        });
        incoming.on('error', reject);
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            body: text.startsWith('{') ? (JSON.parse(text) as Answer['body']) : { text },
            headers: incoming.headers,
          }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(sent);
  });
}

const pods = '/api/v1/namespaces/default/pods';
const pod: JsonObject = { metadata: { name: 'p' }, spec: { nodeName: 'n' } };

describe('verbs over HTTP', () => {
  it('creates, reads, conflicts, patches the status and deletes with a precondition', async () => {
    const store = newStore();
    await using server = await startApiServer({ store });
    const created = await call(server, 'POST', pods, pod);
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ apiVersion: 'v1', kind: 'Pod' });
    const again = await call(server, 'POST', pods, pod);
    expect(again).toMatchObject({ status: 409, body: { kind: 'Status', reason: 'AlreadyExists' } });
    const uid = created.body.metadata?.uid as string;
    const failed = { metadata: { uid }, status: { phase: 'Failed' } };
    const patched = await call(server, 'PATCH', `${pods}/p/status`, failed);
    expect(patched).toMatchObject({ status: 200, body: { status: { phase: 'Failed' } } });
    const other = { ...failed, metadata: { uid: 'other' } };
    expect((await call(server, 'PATCH', `${pods}/p/status`, other)).status).toBe(422);
    const wrong = { gracePeriodSeconds: 0, preconditions: { uid: 'other' } };
    expect((await call(server, 'DELETE', `${pods}/p`, wrong)).status).toBe(409);
    const right = { gracePeriodSeconds: 0, preconditions: { uid } };
    expect((await call(server, 'DELETE', `${pods}/p`, right)).status).toBe(200);
    expect((await call(server, 'GET', `${pods}/p`)).status).toBe(404);
  });

  it('refuses a stale PUT and one that changes nothing but the status', async () => {
    const store = newStore();
    await using server = await startApiServer({ store });
    const path = '/apis/coordination.k8s.io/v1/namespaces/x/leases';
    const { body } = await call(server, 'POST', path, { metadata: { name: 'l' }, spec: {} });
    const next = { ...body, spec: { holderIdentity: 'me' } };
    expect((await call(server, 'PUT', `${path}/l`, next)).status).toBe(200);
    expect((await call(server, 'PUT', `${path}/l`, next)).status).toBe(409);
    const blind = { metadata: { name: 'l' }, spec: {} };
    expect((await call(server, 'PUT', `${path}/l`, blind)).status).toBe(422);
  });

  it('pages lists, and answers 410 for a page of a compacted moment', async () => {
    const store = newStore();
    await using server = await startApiServer({ store });
    for (const name of ['a', 'b', 'c']) {
      store.create('pods', { metadata: { name, namespace: 'default' }, spec: {} });
    }
    const first = await call(server, 'GET', `${pods}?limit=2`);
    expect(first.body.items).toHaveLength(2);
    expect(first.body.items?.[0]).not.toHaveProperty('kind');
    const token = first.body.metadata?.continue as string;
    store.create('pods', { metadata: { name: 'd', namespace: 'default' }, spec: {} });
    const second = await call(server, 'GET', `${pods}?limit=2&continue=${token}`);
    expect(second.body.items).toMatchObject([{ metadata: { name: 'c' } }]);
    expect(second.body.metadata?.resourceVersion).toBe(first.body.metadata?.resourceVersion);
    const third = await call(server, 'GET', `${pods}?limit=1`);
    store.create('pods', { metadata: { name: 'e', namespace: 'default' }, spec: {} });
    store.compact(store.resourceVersion);
    const stale = third.body.metadata?.continue as string;
    const expired = await call(server, 'GET', `${pods}?limit=1&continue=${stale}`);
    expect(expired).toMatchObject({ status: 410, body: { reason: 'Expired' } });
  });

  it('shows one Event in both of its forms', async () => {
    const store = newStore();
    await using server = await startApiServer({ store });
    const path = '/namespaces/default/events';
    const event = {
      metadata: { name: 'p.1' },
      regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
      note: 'moved',
      reason: 'Moved',
      type: 'Normal',
      eventTime: '2026-01-01T00:00:00.000000Z',
      reportingController: 'csi-failover.io',
      reportingInstance: 'one',
      action: 'Move',
    };
    expect((await call(server, 'POST', `/apis/events.k8s.io/v1${path}`, event)).status).toBe(201);
    const core = await call(server, 'GET', `/api/v1${path}/p.1`);
    expect(core.body).toMatchObject({ message: 'moved', involvedObject: { name: 'p' } });
    const { action: _action, ...incomplete } = event;
    const refused = await call(server, 'POST', `/apis/events.k8s.io/v1${path}`, incomplete);
    expect(refused.status).toBe(422);
  });

  it('answers 404 with a Status for what it does not serve, and the probes', async () => {
    await using server = await startApiServer({ store: newStore() });
    expect(await call(server, 'GET', '/apis/none/v1/things')).toMatchObject({
      status: 404,
      body: { kind: 'Status' },
    });
    expect(await call(server, 'GET', '/readyz')).toMatchObject({ body: { text: 'ok' } });
    expect((await call(server, 'GET', '/version')).body).toHaveProperty('gitVersion');
    expect(
      (await call(server, 'PATCH', `${pods}/p`, {}, { 'content-type': 'text/plain' })).status,
    ).toBe(415);
  });
});

describe('faults', () => {
  it('keeps a journal with the identity of the token and turns unknown tokens away', async () => {
    await using server = await startApiServer({ store: newStore(), tokens: { secret: 'leader' } });
    const headers = { authorization: 'Bearer secret' };
    await call(server, 'POST', pods, pod, headers);
    expect((await call(server, 'GET', pods)).status).toBe(401);
    expect(server.mutations).toMatchObject([
      { method: 'POST', path: pods, identity: 'leader', status: 201, body: pod },
    ]);
  });

  it('answers 429 with Retry-After as often as it was told', async () => {
    await using server = await startApiServer({ store: newStore() });
    server.respond429(1, 7);
    const refused = await call(server, 'GET', pods);
    expect(refused).toMatchObject({ status: 429, headers: { 'retry-after': '7' } });
    expect((await call(server, 'GET', pods)).status).toBe(200);
  });

  it('breaks the connection before or after it executed', async () => {
    const store = newStore();
    await using server = await startApiServer({ store });
    let seen = -1;
    const stop = server.onRequest(({ mutating }) => (mutating ? { dropBefore: true } : undefined));
    await expect(call(server, 'POST', pods, pod)).rejects.toThrow(/hang up|ECONN/);
    expect(store.all('pods')).toHaveLength(0);
    stop();
    server.onRequest(({ mutating }) => ({
      dropAfter: mutating,
      afterwards: () => {
        seen = store.all('pods').length;
      },
    }));
    await expect(call(server, 'POST', pods, pod)).rejects.toThrow(/hang up|ECONN/);
    expect(seen).toBe(1);
    expect(server.mutations.map(({ status }) => status)).toStrictEqual([0, 0]);
  });

  it('refuses connections while it is away and comes back on the same port', async () => {
    await using server = await startApiServer({ store: newStore() });
    const { port } = server;
    await server.refuse(true);
    await expect(call(server, 'GET', pods)).rejects.toThrow(/hang up|ECONN/);
    await server.refuse(false);
    expect(server.port).toBe(port);
    expect((await call(server, 'GET', pods)).status).toBe(200);
  });

  it('accepts and never answers while it hangs', async () => {
    await using server = await startApiServer({ store: newStore() });
    server.hang(true);
    const never = call(server, 'GET', pods).then(
      () => 'answered',
      () => 'broken',
    );
    const first = await Promise.race([
      never,
      new Promise((done) => setTimeout(done, 100, 'still')),
    ]);
    expect(first).toBe('still');
    server.hang(false);
    expect((await call(server, 'GET', pods)).status).toBe(200);
    await server.close();
    expect(await never).toBe('broken');
  });
});
