import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import { processesOf } from '../machine/process.ts';

describe('the test cluster', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await sharedCluster();
  }, 120_000);
  afterAll(async () => cluster?.[Symbol.asyncDispose](), 30_000);

  it('is Kubernetes of the version that its go.mod names', async () => {
    const version = JSON.parse(await cluster.kubectl(['version', '--output=json'])) as {
      readonly serverVersion: { readonly gitVersion: string };
      readonly clientVersion: { readonly gitVersion: string };
    };
    const goMod = readFileSync(new URL('../cluster/k8s/go.mod', import.meta.url), 'utf8');
    const pinned = /^\s*k8s\.io\/kubernetes (v\S+)/m.exec(goMod)?.[1];
    expect(version.serverVersion.gitVersion).toBe(pinned);
    expect(version.clientVersion.gitVersion).toBe(pinned);
  });

  it('lets a kubelet do what concerns its own node, and nothing else', async () => {
    using kubelet = new ApiClient(await cluster.access({ node: 'rights-of-a-node' }));
    const name = 'rights-of-a-node';
    expect((await kubelet.create('nodes', { metadata: { name } })).status).toBe(201);
    expect((await kubelet.create('nodes', { metadata: { name: 'another' } })).status).toBe(403);
    const taints = { spec: { taints: [{ key: 'x.test/a', effect: 'NoSchedule' }] } };
    expect((await kubelet.patch('nodes', { name }, taints)).status).toBe(403);
    expect(await kubelet.list('volumeattachments')).toBeUndefined();
    using admin = new ApiClient(await cluster.access('admin'));
    await admin.delete('nodes', { name }, { gracePeriodSeconds: 0 });
  });

  it('gives a token that names the pod’s node, and that ends with the pod', async () => {
    using admin = new ApiClient(await cluster.access('admin'));
    const place = { namespace: 'default', name: 'token-holder' };
    const spec = {
      nodeName: 'nobody',
      containers: [{ name: 'main', image: 'example.test/main:1' }],
    };
    const { object: pod } = await admin.create('pods', { metadata: place, spec });
    const account = { namespace: 'default', name: 'default' };
    const token = await cluster.tokenFor(account, {
      name: place.name,
      uid: pod?.metadata.uid ?? '',
    });
    const { server, ca } = await cluster.access('admin');
    using holder = new ApiClient({ server, ca, token });
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const { object } = await holder.call<{
      readonly status: { readonly userInfo: { readonly extra: Record<string, string[]> } };
    }>('POST', path, review);
    const extra = object?.status.userInfo.extra ?? {};
    expect(extra['authentication.kubernetes.io/node-name']).toEqual(['nobody']);
    await admin.delete('pods', place, { gracePeriodSeconds: 0 });
    await eventually(async () => (await holder.call('POST', path, review)).status === 401, {
      what: 'the token to end with its pod',
      withinMs: 60_000,
      everyMs: 500,
    });
  }, 90_000);

  it('leaves neither process nor folder behind when whoever started it is killed', async () => {
    const module = fileURLToPath(new URL('../cluster/start-cluster.ts', import.meta.url));
    const script = `import { startCluster } from ${JSON.stringify(module)};
      const cluster = await startCluster({ controllers: false });
      process.stdout.write(JSON.stringify([cluster.runId, cluster.folder]));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [runId, folder] = await new Promise<[string, string]>((resolve) => {
      child.stdout.once('data', (chunk: Buffer) => {
        resolve(JSON.parse(chunk.toString('utf8')) as [string, string]);
      });
    });
    expect(processesOf(runId).length).toBeGreaterThanOrEqual(2);
    child.kill('SIGKILL');
    await eventually(() => processesOf(runId).length === 0 && !existsSync(folder), {
      what: 'everything to be gone',
    });
  }, 60_000);
});
