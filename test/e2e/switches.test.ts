/** The switches for people: each command of the README as it stands there, and what we read then. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { observe } from '../../src/controller-mode/observe.ts';
import { initialState, type State } from '../../src/controller-mode/state.ts';
import { switched, switchValue } from '../../src/controller-mode/switches.ts';
import { configMapView, namespaceView, nodeView } from '../../src/shared/kubernetes/convert.ts';
import {
  dryRunAnnotation,
  driverLabel,
  fenceAnnotation,
  pausedAnnotation,
  releaseAnnotation,
  switchConfigMap,
} from '../../src/shared/names.ts';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import { ApiClient } from '../machine/api-client.ts';
import { podView, policy } from '../unit/controller-mode/views.ts';
import { AdminShell, commandOf, commandOfProse, commands } from './readme-switches.ts';

const home = 'my-driver';
const driver = 'my-driver.example.com';
const node = 'worker-2';
const record = '{"v":1,"epoch":"48213","phase":"Intent"}';
const pod = podView(
  { namespace: 'shop', name: 'mysql-0', uid: 'u', resourceVersion: '1' },
  { nodeName: node },
);

describe('the switches', () => {
  let cluster: Cluster;
  let admin: ApiClient;
  let shell: AdminShell;

  beforeAll(async () => {
    cluster = await sharedCluster();
    admin = new ApiClient(await cluster.access('admin'), 10_000);
    shell = await AdminShell.open(cluster);
    for (const name of [home, 'shop']) await admin.create('namespaces', { metadata: { name } });
    await admin.create('nodes', { metadata: { name: node } });
    const metadata = {
      namespace: home,
      name: `${driver}.${node}`,
      labels: { [driverLabel]: driver },
      annotations: { [fenceAnnotation]: record },
    };
    await admin.create('leases', { metadata, spec: {} });
  }, 120_000);

  afterAll(async () => {
    for (const [resource, place] of [
      ['leases', { namespace: home, name: `${driver}.${node}` }],
      ['nodes', { name: node }],
    ] as const) {
      await admin?.delete(resource, place, { gracePeriodSeconds: 0 });
    }
    admin?.[Symbol.dispose]();
    shell?.[Symbol.dispose]();
    await cluster?.[Symbol.asyncDispose]();
  }, 60_000);

  /** As if nobody had said anything. */
  afterEach(async () => {
    await admin.delete(
      'configmaps',
      { namespace: home, name: switchConfigMap },
      { gracePeriodSeconds: 0 },
    );
    const none = { [pausedAnnotation]: null, [dryRunAnnotation]: null, [releaseAnnotation]: null };
    const body = { metadata: { annotations: none } };
    await admin.patch('nodes', { name: node }, body);
    await admin.patch('namespaces', { name: 'shop' }, body);
  });

  /** What the product makes of it for a pod of namespace shop on that node. */
  async function said(): Promise<readonly string[]> {
    const state = await read();
    const words = [
      switched(state, pod, 'paused', pausedAnnotation)?.detail,
      switched(state, pod, 'dry-run', dryRunAnnotation)?.detail,
      switchValue(state, 'storm-override') ? 'storm-override' : undefined,
      state.nodes.get(node)?.annotations[releaseAnnotation],
    ];
    return words.filter((word) => word !== undefined);
  }

  async function read(): Promise<State> {
    const state = initialState({ ...policy, driver, namespace: home }, 0);
    const seen = [
      ['nodes', nodeView, await admin.get('nodes', { name: node })],
      ['namespaces', namespaceView, await admin.get('namespaces', { name: 'shop' })],
      [
        'configmaps',
        configMapView,
        await admin.get('configmaps', { namespace: home, name: switchConfigMap }),
      ],
    ] as const;
    for (const [source, view, { object }] of seen) {
      if (object === undefined) continue;
      observe(state, { kind: 'Upserted', source, object: view({ ...object }) }, 0);
    }
    return state;
  }

  it.each<readonly [string, readonly string[]]>([
    ['create configmap csi-failover -n my-driver --from-literal=paused', ['says paused']],
    ['annotate node worker-2 csi-failover.io/paused=true', ['node is annotated']],
    ['annotate namespace shop csi-failover.io/paused=true', ['namespace shop is annotated']],
    ['create configmap csi-failover -n my-driver --from-literal=dry-run', ['says dry-run']],
    ['annotate namespace shop csi-failover.io/dry-run', ['namespace shop is annotated']],
    ['create configmap csi-failover -n my-driver --from-literal=storm', ['storm-override']],
    ['annotate node worker-2 csi-failover.io/release=48213', ['48213']],
  ])('kubectl %s', async (start, expected) => {
    expect(await said()).toEqual([]);
    await shell.run(commandOf(start));
    const found = await said();
    expect(found).toHaveLength(expected.length);
    for (const [index, word] of expected.entries()) expect(found[index]).toContain(word);
  });

  it.each([
    ['create configmap csi-failover -n my-driver --from-literal=paused', 'delete configmap'],
    [
      'annotate node worker-2 csi-failover.io/paused=',
      'annotate node worker-2 csi-failover.io/paused-',
    ],
    [
      'annotate namespace shop csi-failover.io/paused=',
      'annotate namespace shop csi-failover.io/paused-',
    ],
  ])('kubectl %s…, and back', async (there, back) => {
    await shell.run(commandOf(there));
    expect(await said()).toHaveLength(1);
    await shell.run(commandOf(back));
    expect(await said()).toEqual([]);
  });

  it('kubectl patch, where the ConfigMap is there', async () => {
    await shell.run(commandOf('create configmap csi-failover -n my-driver --from-literal=storm'));
    await shell.run(commandOfProse);
    expect(await said()).toEqual([expect.stringContaining('says paused'), 'storm-override']);
  });

  it('kubectl get lease: what was begun', async () => {
    expect((await shell.run(commandOf('get lease'))).trim()).toBe(record);
  });

  it('are all in this test', () => {
    expect(commands).toHaveLength(11);
    for (const command of commands) expect(command).toMatch(/^kubectl /);
  });
});
