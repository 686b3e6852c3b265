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
import { type JournalEntry, judge } from '../../array/judge.ts';
import type { DemoRecord } from '../../demo/run.ts';
import type { Scene } from '../../demo/scene.ts';
import { type Change, driverName as driver } from '../../machine/bed.ts';
import type { ResourceName } from '../../model/objects.ts';
import { Store } from '../../model/store.ts';

/** The moment of the power failure. */
export const zero = 1_000_000;
export const heartbeat = heartbeatLease(driver, 'worker-a');
export const attacherFinalizer = 'external-attacher/test-csi-failover-io';

const ownTaint = { key: fencedTaint(driver), effect: 'NoSchedule' };
const outOfService = {
  key: outOfServiceTaint,
  value: outOfServiceValue(driver),
  effect: 'NoSchedule',
};

type LaneName = 'shop' | 'shop-plain';

/**
 * A hand-driven control plane with one workload `web-0` in each lane: every call is one change, at
 * the time that the test says. The parts of an episode are methods, so that a test can leave one
 * out or put it elsewhere.
 */
export class Script {
  at = zero;
  readonly changes: Change[] = [];
  readonly journal: JournalEntry[] = [];
  readonly store = new Store({ wallTime: () => this.at });
  readonly requests: DemoRecord['requests'][number][] = [];
  #seq = { shop: 0, 'shop-plain': 0 };

  constructor() {
    this.store.subscribe((event) => this.changes.push({ ...event, at: this.at }));
    this.at = zero - 5_000;
    this.create('nodes', {
      metadata: { name: 'worker-a' },
      status: { nodeInfo: { bootID: 'boot-1' }, conditions: [{ type: 'Ready', status: 'True' }] },
    });
    this.create('leases', { metadata: { name: heartbeat, namespace: 'csi' }, spec: {} });
    for (const lane of ['shop', 'shop-plain'] as const) {
      this.create('persistentvolumeclaims', {
        metadata: { name: 'data-web-0', namespace: lane },
        spec: { volumeName: `pv-${lane}-web` },
      });
      this.create('pods', podObject(lane, 'worker-a'));
      this.create('volumeattachments', attachmentObject(lane, 'worker-a'));
    }
    this.at = zero - 1_000;
    const renewTime = '2026-01-01T00:00:00.000000Z';
    this.patch('leases', heartbeat, { spec: { renewTime } });
    for (const at of [zero - 1_000, zero + 20]) {
      this.at = at;
      for (const lane of ['shop', 'shop-plain'] as const) this.wrote(lane, 'worker-a');
    }
  }

  create(resource: ResourceName, body: JsonObject): void {
    const result = this.store.create(resource, body);
    if (!result.ok) throw new Error(result.message);
  }

  patch(resource: ResourceName, name: string, body: JsonObject, status = false): void {
    const options = status ? { subresource: 'status' as const } : {};
    const place = { namespace: resource === 'leases' ? 'csi' : '', name };
    const result = this.store.patch(resource, place, body, options);
    if (!result.ok) throw new Error(result.message);
  }

  uid(lane: LaneName): string {
    return this.store.find('pods', 'web-0', lane)?.metadata.uid ?? '';
  }

  wrote(lane: LaneName, nodeId: string, podUid = this.uid(lane)): void {
    this.journal.push({
      time: this.at,
      handle: `vol-${lane}-web`,
      nodeId,
      slot: `${lane}/web-0`,
      podUid,
      seq: this.#seq[lane]++,
      accepted: true,
    });
  }

  /** DELETE by the controller, as the API server's journal has it. */
  deletePod(lane: LaneName, body: JsonObject = { preconditions: { uid: this.uid(lane) } }): void {
    const request = { method: 'DELETE', path: `/api/v1/namespaces/${lane}/pods/web-0`, query: '' };
    const who = { identity: 'controller-1', mutating: true, watch: false };
    this.requests.push({ ...request, ...who, at: this.at, status: 200, body });
    this.store.delete('pods', { namespace: lane, name: 'web-0' }, { gracePeriodSeconds: 0 });
  }

  intend(epoch = 'e1'): void {
    const fence = encodeFenceRecord({
      v: 1,
      epoch,
      episode: `worker-a.${epoch}`,
      reason: 'Lost',
      since: '',
      bootId: 'boot-1',
      phase: 'Intent',
      volumes: [{ handle: 'vol-shop-web', pv: 'pv-shop-web' }],
    });
    this.patch('leases', heartbeat, { metadata: { annotations: { [fenceAnnotation]: fence } } });
  }

  taint(...taints: readonly ('own' | 'out-of-service')[]): void {
    const list = taints.map((one) => (one === 'own' ? ownTaint : outOfService));
    this.patch('nodes', 'worker-a', { spec: { taints: list } });
  }

  hold(): void {
    const finalizers = [attacherFinalizer, holdFinalizer];
    this.patch('volumeattachments', 'va-shop-worker-a', { metadata: { finalizers } });
    this.store.delete('volumeattachments', { name: 'va-shop-worker-a' });
  }

  unpublished(): void {
    this.patch('volumeattachments', 'va-shop-worker-a', {
      metadata: { finalizers: [holdFinalizer] },
    });
  }

  replaceOn(node: string): void {
    this.create('pods', podObject('shop', node));
    this.create('volumeattachments', attachmentObject('shop', node));
  }

  attached(node: string): void {
    this.patch('volumeattachments', `va-shop-${node}`, { status: { attached: true } }, true);
  }

  /** The whole of it, each step at its own time. */
  failover(): void {
    const steps: readonly (readonly [number, () => void])[] = [
      [11_000, () => this.intend()],
      [11_100, () => this.taint('own')],
      [11_200, () => this.hold()],
      [11_300, () => this.unpublished()],
      [11_400, () => this.deletePod('shop')],
      [11_450, () => this.taint('own', 'out-of-service')],
      [
        11_600,
        () => {
          this.patch('volumeattachments', 'va-shop-worker-a', { metadata: { finalizers: [] } });
          this.taint('own');
        },
      ],
      [11_700, () => this.replaceOn('worker-b')],
      [12_000, () => this.attached('worker-b')],
      [13_000, () => this.wrote('shop', 'worker-b')],
    ];
    for (const [ms, act] of steps) {
      this.at = zero + ms;
      act();
    }
  }

  booted(bootID: string): void {
    this.patch('nodes', 'worker-a', { status: { nodeInfo: { bootID } } }, true);
  }

  attest(epoch: string): void {
    const report = encodeNodeReport({
      v: 1,
      bootId: 'boot-2',
      nodeId: 'worker-a',
      driver: 'ok',
      kubelet: 'ok',
      unhealthy: [],
      clean: { epoch, bootId: 'boot-2' },
    });
    this.patch('leases', heartbeat, { metadata: { annotations: { [reportAnnotation]: report } } });
  }

  /** The machine comes back 32 s after it died, and is released at 45 s. */
  comeBack(): void {
    this.at = zero + 33_000;
    this.booted('boot-2');
    this.at = zero + 33_500;
    this.wrote('shop-plain', 'worker-a');
    this.at = zero + 36_000;
    this.attest('e1');
    this.at = zero + 45_000;
    this.taint();
  }

  scene(namespace: LaneName = 'shop'): Scene {
    const { changes, journal } = this;
    return { driver, node: 'worker-a', namespace, powerOffAt: zero, changes, journal };
  }

  record(): DemoRecord {
    return {
      beganAt: zero - 3_000,
      powerOffAt: zero,
      powerOnAt: zero + 32_000,
      endedAt: zero + 46_000,
      changes: this.changes,
      requests: this.requests,
      journal: this.journal,
      verdict: judge(this.journal),
      events: [],
      disappointments: [],
    };
  }
}

function podObject(namespace: string, nodeName: string): JsonObject {
  const claim = { persistentVolumeClaim: { claimName: 'data-web-0' } };
  return {
    metadata: { name: 'web-0', namespace },
    spec: { nodeName, containers: [{ name: 'web' }], volumes: [{ name: 'data', ...claim }] },
    status: { phase: 'Running' },
  };
}

function attachmentObject(lane: string, nodeName: string): JsonObject {
  return {
    metadata: { name: `va-${lane}-${nodeName}`, finalizers: [attacherFinalizer] },
    spec: {
      attacher: driver,
      nodeName,
      source: { persistentVolumeName: `pv-${lane}-web` },
    },
  };
}
