import { beforeEach, describe, expect, it } from '@jest/globals';
import type { JsonObject } from '../../../src/shared/effect.ts';
import {
  fenceAnnotation,
  fencedTaint,
  heartbeatLease,
  holdFinalizer,
  outOfServiceTaint,
  outOfServiceValue,
  reportAnnotation,
} from '../../../src/shared/names.ts';
import { encodeFenceRecord, encodeNodeReport } from '../../../src/shared/record.ts';
import type { JournalEntry } from '../../array/judge.ts';
import type { Scene } from '../../demo/scene.ts';
import { protectedSteps, returnSteps, unprotectedSteps } from '../../demo/steps.ts';
import type { Step } from '../../demo/story.ts';
import type { Change } from '../../machine/bed.ts';
import { Store } from '../../model/store.ts';

const driver = 'block.csi.test';
const zero = 1_000_000;
const heartbeat = heartbeatLease(driver, 'worker-a');
const attacherFinalizer = 'external-attacher/block-csi-test';

const namespaces = new Map<string, string>([
  ['leases', 'csi'],
  ['pods', 'shop'],
]);

/** A hand-driven control plane: each call is one change, at the time that the test says. */
class Script {
  at = zero;
  readonly changes: Change[] = [];
  readonly journal: JournalEntry[] = [];
  readonly store = new Store({ wallTime: () => this.at });
  #seq = 0;

  constructor() {
    this.store.subscribe((event) => this.changes.push({ ...event, at: this.at }));
  }

  create(resource: Parameters<Store['create']>[0], body: JsonObject): JsonObject {
    const result = this.store.create(resource, body);
    if (!result.ok) throw new Error(result.message);
    return result.object;
  }

  patch(
    resource: Parameters<Store['create']>[0],
    name: string,
    body: JsonObject,
    status = false,
  ): void {
    const namespace = namespaces.get(resource) ?? '';
    const options = status ? { subresource: 'status' as const } : {};
    const result = this.store.patch(resource, { namespace, name }, body, options);
    if (!result.ok) throw new Error(result.message);
  }

  wrote(nodeId: string, podUid: string): void {
    this.journal.push({
      time: this.at,
      handle: 'vol-1',
      nodeId,
      slot: 'shop/web-0',
      podUid,
      seq: this.#seq++,
      accepted: true,
    });
  }

  scene(): Scene {
    return {
      driver,
      node: 'worker-a',
      namespace: 'shop',
      powerOffAt: zero,
      changes: this.changes,
      journal: this.journal,
    };
  }
}

function pod(node: string): JsonObject {
  return {
    metadata: { name: 'web-0', namespace: 'shop' },
    spec: {
      ...(node === '' ? {} : { nodeName: node }),
      containers: [{ name: 'web' }],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-web-0' } }],
    },
    status: { phase: 'Running' },
  };
}

function attachment(node: string): JsonObject {
  return {
    metadata: { name: `va-${node}`, finalizers: [attacherFinalizer] },
    spec: { attacher: driver, nodeName: node, source: { persistentVolumeName: 'pv-1' } },
  };
}

function fence(phase: 'Intent' | 'Moved'): string {
  return encodeFenceRecord({
    v: 1,
    epoch: 'e1',
    episode: 'worker-a.e1',
    reason: 'Lost',
    since: '',
    bootId: 'boot-1',
    phase,
    volumes: [{ handle: 'vol-1', pv: 'pv-1' }],
  });
}

let script: Script;
let oldUid: string;

beforeEach(() => {
  script = new Script();
  script.at = zero - 5_000;
  script.create('nodes', {
    metadata: { name: 'worker-a' },
    status: { nodeInfo: { bootID: 'boot-1' }, conditions: [{ type: 'Ready', status: 'True' }] },
  });
  script.patch('nodes', 'worker-a', { status: { nodeInfo: { bootID: 'boot-1' } } }, true);
  script.create('persistentvolumeclaims', {
    metadata: { name: 'data-web-0', namespace: 'shop' },
    spec: { volumeName: 'pv-1' },
  });
  script.create('pods', pod('worker-a'));
  oldUid = script.store.find('pods', 'web-0', 'shop')?.metadata.uid ?? '';
  script.create('volumeattachments', attachment('worker-a'));
  script.create('leases', { metadata: { name: heartbeat, namespace: 'csi' }, spec: {} });
  script.at = zero - 1_000;
  script.patch('leases', heartbeat, { spec: { renewTime: '2026-01-01T00:00:00.000000Z' } });
  script.wrote('worker-a', oldUid);
  script.at = zero + 20;
  script.wrote('worker-a', oldUid);
});

/** What csi-failover, attach/detach, attacher and scheduler do, each at its second. */
function failover(): void {
  script.at = zero + 11_000;
  script.patch('leases', heartbeat, {
    metadata: { annotations: { [fenceAnnotation]: fence('Intent') } },
  });
  script.at = zero + 11_100;
  const own = { key: fencedTaint(driver), effect: 'NoSchedule' };
  script.patch('nodes', 'worker-a', { spec: { taints: [own] } });
  script.at = zero + 11_200;
  script.patch('volumeattachments', 'va-worker-a', {
    metadata: { finalizers: [attacherFinalizer, holdFinalizer] },
  });
  script.store.delete('volumeattachments', { name: 'va-worker-a' });
  script.at = zero + 11_300;
  script.patch('volumeattachments', 'va-worker-a', { metadata: { finalizers: [holdFinalizer] } });
  script.at = zero + 11_400;
  script.store.delete('pods', { namespace: 'shop', name: 'web-0' }, { gracePeriodSeconds: 0 });
  script.at = zero + 11_450;
  const foreign = {
    key: outOfServiceTaint,
    value: outOfServiceValue(driver),
    effect: 'NoSchedule',
  };
  script.patch('nodes', 'worker-a', { spec: { taints: [own, foreign] } });
  script.at = zero + 11_500;
  script.create('pods', pod(''));
  script.at = zero + 11_600;
  script.patch('volumeattachments', 'va-worker-a', { metadata: { finalizers: [] } });
  script.patch('nodes', 'worker-a', { spec: { taints: [own] } });
  script.at = zero + 11_700;
  script.store.bind({ namespace: 'shop', name: 'web-0' }, 'worker-b');
  script.create('volumeattachments', attachment('worker-b'));
  script.at = zero + 12_000;
  script.patch('volumeattachments', 'va-worker-b', { status: { attached: true } }, true);
  script.at = zero + 13_000;
  script.wrote('worker-b', script.store.find('pods', 'web-0', 'shop')?.metadata.uid ?? '');
}

function times(steps: readonly Step[]): readonly (number | undefined)[] {
  return steps.map((step) => step.atMs);
}

describe('protectedSteps', () => {
  it('finds every step at its time', () => {
    failover();
    const steps = protectedSteps(script.scene());
    expect(times(steps)).toEqual([
      20, 11_000, 11_100, 11_200, 11_300, 11_400, 11_450, 11_600, 11_700, 12_000, 13_000,
    ]);
    expect(steps[1]).toMatchObject({ title: 'Verdict Lost, intent written' });
    expect(steps[1]?.detail).toContain('heartbeat silent for 12.0 s');
    expect(steps[8]?.detail).toBe('worker-b');
  });

  it('reports what did not happen as never', () => {
    expect(times(protectedSteps(script.scene())).slice(1)).toEqual(
      Array.from({ length: 10 }, () => undefined),
    );
  });

  it('does not take a confirmed hold for a gone attachment', () => {
    script.patch('volumeattachments', 'va-worker-a', { metadata: { finalizers: [holdFinalizer] } });
    script.store.delete('volumeattachments', { name: 'va-worker-a' });
    const steps = protectedSteps(script.scene());
    const byTitle = new Map(steps.map((step) => [step.title, step.atMs]));
    expect([byTitle.get('Fence confirmed'), byTitle.get('Detached')]).toEqual([20, undefined]);
  });
});

describe('returnSteps', () => {
  it('needs a new boot id, the epoch in the attestation, and the taint gone', () => {
    failover();
    const back = (bootId: string): void =>
      script.patch('nodes', 'worker-a', { status: { nodeInfo: { bootID: bootId } } }, true);
    const attest = (epoch: string): void =>
      script.patch('leases', heartbeat, {
        metadata: {
          annotations: {
            [reportAnnotation]: encodeNodeReport({
              v: 1,
              bootId: 'boot-2',
              nodeId: 'worker-a',
              driver: 'ok',
              kubelet: 'ok',
              unhealthy: [],
              clean: { epoch, bootId: 'boot-2' },
            }),
          },
        },
      });
    script.at = zero + 32_000;
    back('boot-1');
    script.at = zero + 33_000;
    back('boot-2');
    script.at = zero + 34_000;
    attest('e0');
    expect(times(returnSteps(script.scene(), zero + 31_000))).toEqual([
      33_000,
      undefined,
      undefined,
    ]);
    script.at = zero + 36_000;
    attest('e1');
    script.at = zero + 45_000;
    script.patch('nodes', 'worker-a', { spec: { taints: [] } });
    expect(times(returnSteps(script.scene(), zero + 31_000))).toEqual([33_000, 36_000, 45_000]);
  });
});

describe('unprotectedSteps', () => {
  it('tells of pods that stay, and of writes that come back with the machine', () => {
    script.at = zero + 33_500;
    script.wrote('worker-a', oldUid);
    const steps = unprotectedSteps(script.scene(), zero + 31_000);
    expect(steps.map(({ title, atMs }) => [title, atMs])).toEqual([
      ['Last write', 20],
      ['1 of 1 pods still bound to dead worker-a', 31_000],
      ['Replacements attached elsewhere', undefined],
      ['Same pods write again', 33_500],
    ]);
  });

  it('counts a pod that was deleted as moved', () => {
    failover();
    const steps = unprotectedSteps(script.scene(), zero + 31_000);
    expect(steps[1]?.title).toBe('0 of 1 pods still bound to dead worker-a');
  });
});
