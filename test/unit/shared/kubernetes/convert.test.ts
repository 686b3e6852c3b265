import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { JsonObject } from '../../../../src/shared/effect.ts';
import {
  attachmentView,
  claimView,
  configMapView,
  csiDriverView,
  csiNodeView,
  leaseView,
  namespaceView,
  nodeView,
  pvView,
} from '../../../../src/shared/kubernetes/convert.ts';
import { podView } from '../../../../src/shared/kubernetes/convert-pod.ts';

const metadata = { name: 'x', uid: 'u', resourceVersion: '7' };
const identity = { namespace: '', name: 'x', uid: 'u', resourceVersion: '7' };
const own = { 'csi-failover.io/paused': 'true' };

describe('views', () => {
  it('node', () => {
    const view = nodeView({
      metadata: { ...metadata, labels: { zone: 'a' }, annotations: { ...own, other: 'x' } },
      spec: { unschedulable: true, taints: [{ key: 'k', effect: 'NoSchedule' }] },
      status: {
        conditions: [
          { type: 'MemoryPressure', status: 'False' },
          { type: 'Ready', status: 'True' },
        ],
        nodeInfo: { bootID: 'b' },
        volumesInUse: ['v1'],
        volumesAttached: [{ name: 'v2', devicePath: '' }, {}],
      },
    });
    expect(view).toEqual({
      kind: 'node',
      ...identity,
      ready: 'True',
      unschedulable: true,
      deleting: false,
      taints: [{ key: 'k', value: '', effect: 'NoSchedule' }],
      labels: { zone: 'a' },
      annotations: own,
      bootId: 'b',
      volumesInUse: ['v1'],
      volumesAttached: ['v2'],
    });
  });

  it.each([
    [[], 'Unknown'],
    [[{ type: 'Ready', status: 'Unknown' }], 'Unknown'],
    [[{ type: 'Ready', status: 'yes' }], 'Unknown'],
    [[{ type: 'Ready', status: 'False' }], 'False'],
    ['broken', 'Unknown'],
  ])('a node with conditions %j is %s', (conditions, ready) => {
    expect(nodeView({ metadata, status: { conditions } } as JsonObject).ready).toBe(ready);
  });

  it('volume, claim and attachment', () => {
    const term = { matchExpressions: [{ key: 'zone', operator: 'In', values: ['a'] }] };
    const pv = pvView({
      metadata,
      spec: {
        csi: { driver: 'd', volumeHandle: 'h' },
        claimRef: { namespace: 'n', name: 'c', uid: 'cu' },
        nodeAffinity: { required: { nodeSelectorTerms: [term, {}] } },
        accessModes: ['ReadWriteOnce'],
      },
    });
    const requirement = { field: false, key: 'zone', operator: 'In', values: ['a'] };
    expect(pv).toEqual({
      kind: 'pv',
      ...identity,
      driver: 'd',
      handle: 'h',
      claimNamespace: 'n',
      claimName: 'c',
      claimUid: 'cu',
      shared: false,
      nodeAffinity: [[requirement], []],
    });
    expect(pvView({ metadata, spec: { nfs: { server: 's' } } }).driver).toBe('');
    const sharedWith = (accessModes: string[]) =>
      pvView({ metadata, spec: { accessModes } }).shared;
    expect(sharedWith(['ReadWriteOnce', 'ReadWriteMany'])).toBe(true);
    expect(sharedWith(['ReadOnlyMany'])).toBe(true);
    expect(sharedWith([])).toBe(true);
    expect(sharedWith(['ReadWriteOncePod'])).toBe(false);
    expect(claimView({ metadata, spec: { volumeName: 'pv' } }).pv).toBe('pv');
    const attachment = attachmentView({
      metadata: {
        ...metadata,
        deletionTimestamp: '2026-01-01T00:00:00Z',
        finalizers: ['external-attacher/d', null],
        annotations: { 'csi.alpha.kubernetes.io/node-id': 'id' },
      },
      spec: { attacher: 'd', nodeName: 'n', source: { persistentVolumeName: 'pv' } },
      status: { attached: true, detachError: { message: 'm' } },
    });
    expect(attachment).toEqual({
      kind: 'attachment',
      ...identity,
      driver: 'd',
      pv: 'pv',
      nodeName: 'n',
      attached: true,
      deleting: true,
      finalizers: ['external-attacher/d'],
      nodeId: 'id',
      detachError: 'm',
    });
  });

  it('CSINode, CSIDriver, Lease, Namespace, ConfigMap', () => {
    const drivers = [{ name: 'd', nodeID: 'id' }, { name: '__proto__', nodeID: 'x' }, null];
    expect(Object.entries(csiNodeView({ metadata, spec: { drivers } }).nodeIds)).toEqual([
      ['d', 'id'],
      ['__proto__', 'x'],
    ]);
    expect(csiDriverView({ metadata, spec: {} }).attachRequired).toBe(true);
    expect(csiDriverView({ metadata, spec: { attachRequired: false } }).attachRequired).toBe(false);
    const spec = { holderIdentity: 'h', renewTime: 't', leaseDurationSeconds: 40 };
    expect(leaseView({ metadata: { ...metadata, annotations: own }, spec })).toEqual({
      kind: 'lease',
      ...identity,
      holder: 'h',
      renewTime: 't',
      durationMs: 40_000,
      labels: {},
      annotations: own,
    });
    const namespace = namespaceView({ metadata: { ...metadata, annotations: { ...own, a: 'b' } } });
    expect(namespace).toEqual({ kind: 'namespace', ...identity, values: own });
    const configMap = configMapView({ metadata, data: { paused: 'true', wrong: 7 } });
    expect(configMap).toEqual({ kind: 'configmap', ...identity, values: { paused: 'true' } });
  });
});

describe('every view', () => {
  const views = {
    attachmentView,
    claimView,
    configMapView,
    csiDriverView,
    csiNodeView,
    leaseView,
    namespaceView,
    nodeView,
    podView: (json: JsonObject) => podView(json, [[]]),
    pvView,
  };
  const word = fc.constantFrom(
    ...'metadata spec status annotations labels finalizers ownerReferences taints volumes'.split(
      ' ',
    ),
    ...'conditions nodeInfo volumesAttached csi claimRef nodeAffinity required drivers'.split(' '),
    ...'affinity nodeSelectorTerms matchExpressions tolerations persistentVolumeClaim'.split(' '),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 5 },
      fc.constantFrom(null, 7, true, 'text', ''),
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(word, tie('tree'), { maxKeys: 6 }),
    ),
  }));
  const object = fc.dictionary(word, tree as fc.Arbitrary<unknown>, { maxKeys: 8 });

  it.each(Object.entries(views))('%s takes whatever comes', (_, view) => {
    fc.assert(
      fc.property(object, (json) => {
        const made = view(json as JsonObject);
        expect([typeof made.name, typeof made.uid]).toEqual(['string', 'string']);
      }),
    );
  });
});
