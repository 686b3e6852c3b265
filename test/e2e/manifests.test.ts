/** The shipped manifests as kubectl renders them and a real API server would take them. */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../src/shared/effect.ts';
import { driverLabel } from '../../src/shared/names.ts';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import type { Container, Manifest, PodSpec } from '../unit/manifests/manifest.ts';
import {
  agentAccount,
  apply,
  controllerAccount,
  driver,
  exampleFolder,
  find,
  namespace,
  render,
  renderLayer,
} from './rendered.ts';

let cluster: Cluster;

beforeAll(async () => {
  cluster = await sharedCluster();
  // A dry run creates no namespace for what stands in it.
  using admin = new ApiClient(await cluster.access('admin'));
  for (const name of [namespace, 'my-driver']) {
    await admin.create('namespaces', { metadata: { name } });
  }
}, 120_000);
afterAll(() => cluster?.[Symbol.asyncDispose](), 60_000);

/** `<kind in namespace> <role> to <namespace>/<account>`, of every binding. */
function bindingsIn(items: readonly Manifest[]): readonly string[] {
  return items
    .flatMap(({ kind, roleRef, subjects = [], metadata }) =>
      subjects.map(
        (one) =>
          `${kind} ${metadata.namespace ?? ''} ${roleRef?.name} to ${one.namespace}/${one.name}`,
      ),
    )
    .sort();
}

/** What the API server finds too much in a pod, in a namespace that enforces this level. */
async function tooMuchFor(level: string, pod: PodSpec | undefined): Promise<string> {
  if (pod === undefined) throw new Error('no pod');
  using admin = new ApiClient(await cluster.access('admin'));
  const labels = { 'pod-security.kubernetes.io/enforce': level };
  await admin.create('namespaces', { metadata: { name: level, labels } });
  const account = `/api/v1/namespaces/${level}/serviceaccounts/default`;
  await eventually(async () => (await admin.call('GET', account)).status === 200, {
    what: 'the account of pods that name none',
  });
  const spec: object = { ...pod, serviceAccountName: 'default' };
  const body = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'it' },
    spec: spec as JsonObject,
  };
  const path = `/api/v1/namespaces/${level}/pods?dryRun=All`;
  const { status, message } = await admin.call('POST', path, body);
  return status === 201 ? '' : message;
}

/** What the base binds, with this suffix, to these accounts. */
function bindingsOf(home: string, suffix: string, accounts: { controller: string; node: string }) {
  const controller = `${home}/${accounts.controller}`;
  return [
    ...['observer', 'actuator'].flatMap((role) => [
      `ClusterRoleBinding  csi-failover-${role}${suffix} to ${controller}`,
      `RoleBinding ${home} csi-failover-${role}${suffix} to ${controller}`,
      `RoleBinding kube-node-lease csi-failover-${role}${suffix} to ${controller}`,
    ]),
    `RoleBinding ${home} csi-failover-node-agent${suffix} to ${home}/${accounts.node}`,
  ].sort();
}

describe('the worked example, before the API server', () => {
  let items: readonly Manifest[];

  beforeAll(async () => {
    items = await apply(cluster, await render(cluster, exampleFolder), 'dry run');
  }, 30_000);

  it.each([
    ['controller', 'Deployment', controllerAccount],
    ['node', 'DaemonSet', agentAccount],
  ])('has the sidecar in %s mode', (mode, kind, account) => {
    const pod = find(items, kind).spec?.template?.spec;
    const [ours, plugin] = ['csi-failover', 'driver'].map((wanted) =>
      pod?.containers.find(({ name }) => name === wanted),
    );
    expect(ours?.image).toMatch(/^csi-failover:\d/);
    expect(ours?.args).toEqual(
      expect.arrayContaining([
        `--mode=${mode}`,
        '--csi-address=/csi/csi.sock',
        `--driver-name=${driver}`,
      ]),
    );
    expect(plugin?.args).toContain('--endpoint=unix:/csi/csi.sock');
    expect(volumeAt('/csi', ours)).toEqual(expect.any(String));
    expect(volumeAt('/csi', ours)).toBe(volumeAt('/csi', plugin));
    expect(pod?.serviceAccountName).toBe(account);
    expect(find(items, 'ServiceAccount', account).metadata.namespace).toBe(namespace);
  });

  it('asks for nothing beside the driver in controller mode, and for what it says in node mode', async () => {
    const [controller, node] = ['Deployment', 'DaemonSet'].map(
      (kind) => find(items, kind).spec?.template?.spec,
    );
    expect(await tooMuchFor('restricted', controller)).toBe('');
    // The namespace's label allows it; manifests/examples/test-driver/namespace.yaml.
    const refused = await tooMuchFor('baseline', node);
    expect(refused).toContain('violates PodSecurity "baseline:latest"');
    for (const what of ['hostNetwork', 'kubelet-dir', 'plugin-dir', 'cgroup-dir']) {
      expect(refused).toContain(what);
    }
    expect(await tooMuchFor('privileged', node)).toBe('');
  }, 60_000);

  it('binds our roles to those accounts', () => {
    const accounts = { controller: controllerAccount, node: agentAccount };
    const ours = bindingsIn(items).filter((text) => text.includes('csi-failover-'));
    const wanted = bindingsOf(namespace, '-test-driver', accounts);
    const attacher = ours.filter((text) => text.includes(' csi-test-driver-attacher '));
    expect(ours.filter((text) => !attacher.includes(text))).toEqual(wanted);
    expect(attacher).toHaveLength(2);
  });

  it('holds the agents to the policy', () => {
    const { metadata } = find(items, 'ValidatingAdmissionPolicy');
    const binding = find(items, 'ValidatingAdmissionPolicyBinding');
    expect(metadata.namespace).toBeUndefined();
    expect(binding.metadata.namespace).toBeUndefined();
    expect(binding.spec?.policyName).toBe(metadata.name);
    const agents = find(items, 'RoleBinding', binding.spec?.paramRef?.name);
    expect(agents.subjects?.map(({ name }) => name)).toEqual([agentAccount]);
    expect(agents.metadata.labels).toMatchObject({ [driverLabel]: driver });
  });
});

function volumeAt(path: string, container: Container | undefined): string | undefined {
  return container?.volumeMounts.find(({ mountPath }) => mountPath === path)?.name;
}

it('the layer of the README does the same for a driver of your own', async () => {
  const readme = readFileSync('README.md', 'utf8');
  const [, text = ''] = /```yaml\n(apiVersion: kustomize[\s\S]*?)```/.exec(readme) ?? [];
  const items = await apply(cluster, await renderLayer(cluster, text, 'my-driver'), 'dry run');
  const accounts = { controller: 'my-driver-controller', node: 'my-driver-node' };
  expect(bindingsIn(items)).toEqual(bindingsOf('my-driver', '-my-driver', accounts));
  const { paramRef } = find(items, 'ValidatingAdmissionPolicyBinding').spec ?? {};
  const agents = find(items, 'RoleBinding', paramRef?.name);
  expect(agents.roleRef?.name).toBe('csi-failover-node-agent-my-driver');
  expect(agents.metadata.labels).toMatchObject({ [driverLabel]: 'my-driver.example.com' });
}, 30_000);
