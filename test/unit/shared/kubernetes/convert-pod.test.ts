import { describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../../src/shared/effect.ts';
import { podView, podVolume } from '../../../../src/shared/kubernetes/convert-pod.ts';
import { type LabelSelector, parseLabelSelector } from '../../../../src/shared/label-selector.ts';

function selector(text: string): LabelSelector {
  const parsed = parseLabelSelector(text);
  if (parsed.kind === 'Mistake') throw new Error(parsed.message);
  return parsed.selector;
}

function pod(fields: { metadata?: JsonObject; spec?: JsonObject; status?: JsonObject } = {}) {
  const metadata = {
    namespace: 'n',
    name: 'p',
    uid: 'u',
    resourceVersion: '1',
    ...fields.metadata,
  };
  return podView({ ...fields, metadata }, [selector('a=1'), selector('b,c!=2')]);
}

describe('podView', () => {
  it('keeps what decides about a pod', () => {
    const requiredDuringSchedulingIgnoredDuringExecution = {
      nodeSelectorTerms: [
        { matchFields: [{ key: 'metadata.name', operator: 'In', values: ['w'] }] },
      ],
    };
    const view = pod({
      metadata: {
        labels: { a: '1' },
        finalizers: ['f'],
        annotations: {
          'csi-failover.io/policy': 'retain',
          'intent.csi-failover.io/d': '{}',
          'kubectl.kubernetes.io/restartedAt': 'x',
        },
        ownerReferences: [
          { kind: 'Other', name: 'o', uid: 'ou' },
          { kind: 'StatefulSet', name: 's', uid: 'su', controller: true },
        ],
      },
      spec: {
        nodeName: 'w',
        restartPolicy: 'Never',
        nodeSelector: { disk: 'ssd' },
        affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution } },
        tolerations: [{ operator: 'Exists' }, { key: 'k', value: 'v', effect: 'NoExecute' }],
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'c' } }],
      },
      status: { phase: 'Running' },
    });
    expect(view).toEqual({
      kind: 'pod',
      namespace: 'n',
      name: 'p',
      uid: 'u',
      resourceVersion: '1',
      nodeName: 'w',
      phase: 'Running',
      deleting: false,
      finalizers: ['f'],
      owner: { kind: 'StatefulSet', name: 's', uid: 'su' },
      selected: true,
      annotations: { 'csi-failover.io/policy': 'retain', 'intent.csi-failover.io/d': '{}' },
      mirror: false,
      restartPolicy: 'Never',
      nodeSelector: { disk: 'ssd' },
      nodeAffinity: [[{ field: true, key: 'metadata.name', operator: 'In', values: ['w'] }]],
      tolerations: [
        { key: '', operator: 'Exists', value: '', effect: '' },
        { key: 'k', operator: 'Equal', value: 'v', effect: 'NoExecute' },
      ],
      volumes: [{ kind: 'claim', name: 'data', claim: 'c', readOnly: false }],
    });
  });

  it.each<[JsonObject, boolean]>([
    [{ a: '1' }, true],
    [{ b: 'x' }, true],
    [{ b: 'x', c: '2' }, false],
    [{ a: '2' }, false],
    [{}, false],
  ])('is selected by any of several selectors: %j %p', (labels, selected) => {
    expect(pod({ metadata: { labels } }).selected).toBe(selected);
  });

  it('knows mirror pods by annotation or by their owner', () => {
    expect(pod({ metadata: { annotations: { 'kubernetes.io/config.mirror': 'h' } } }).mirror).toBe(
      true,
    );
    const ownerReferences = [{ kind: 'Node', name: 'w', uid: 'x', controller: true }];
    expect(pod({ metadata: { ownerReferences } }).mirror).toBe(true);
  });

  it('takes phases that it does not know for Unknown', () => {
    expect(pod({ status: { phase: 'Hibernating' } }).phase).toBe('Unknown');
    expect(pod().phase).toBe('Unknown');
  });
});

describe('podVolume', () => {
  it.each(['emptyDir', 'configMap', 'secret', 'projected', 'downwardAPI', 'image', 'hostPath'])(
    'leaves %s out',
    (source) => {
      expect(podVolume('p', { name: 'v', [source]: {} })).toEqual([]);
    },
  );

  it('takes claims, also those of generic ephemeral volumes', () => {
    const claim = { claimName: 'c', readOnly: true };
    expect(podVolume('p', { name: 'v', persistentVolumeClaim: claim })).toEqual([
      { kind: 'claim', name: 'v', claim: 'c', readOnly: true },
    ]);
    expect(podVolume('p-0', { name: 'v', ephemeral: { volumeClaimTemplate: {} } })).toEqual([
      { kind: 'claim', name: 'v', claim: 'p-0-v', readOnly: false },
    ]);
  });

  it.each<[JsonObject, string, boolean]>([
    [{ csi: { driver: 'd' } }, 'csi', false],
    [{ csi: { driver: 'd', readOnly: true } }, 'csi', true],
    [{ nfs: { server: 's', readOnly: true } }, 'nfs', true],
    [{ iscsi: { readOnly: 'true' } }, 'iscsi', false],
    [{ somethingNew: {} }, 'somethingNew', false],
    [{ somethingNew: 'x' }, 'somethingNew', false],
    [{ persistentVolumeClaim: {} }, 'persistentVolumeClaim', false],
    [{}, 'unknown', false],
    [{ persistentVolumeClaim: null }, 'unknown', false],
    [{ emptyDir: {}, nfs: {} }, 'emptyDir', false],
  ])('holds %j for foreign', (source, name, readOnly) => {
    expect(podVolume('p', { name: 'v', ...source })).toEqual([
      { kind: 'foreign', name: 'v', source: name, readOnly },
    ]);
  });
});
