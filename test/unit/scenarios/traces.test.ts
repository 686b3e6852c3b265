import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  attacherFinalizer,
  fenceAnnotation,
  heartbeatLease,
  holdFinalizer,
  intentAnnotation,
} from '../../../src/shared/names.ts';
import {
  encodeFenceRecord,
  encodePodIntent,
  type FenceRecord,
} from '../../../src/shared/record.ts';
import type { RequestRecord } from '../../double/api-server.ts';
import type { StoreEvent } from '../../model/event-log.ts';
import type { ResourceName } from '../../model/objects.ts';
import { Store } from '../../model/store.ts';
import { crimesIn, leftOvers } from '../../scenarios/traces.ts';

const driver = 'block.example.com';
const lease = { namespace: 'driver', name: heartbeatLease(driver, 'n1') };
const pod = { namespace: 'shop', name: 'web-0' };
const attachment = { name: 'va-1' };

/** An episode as a journal has it, told by hand: each step may be left out, or done once more. */
class Tale {
  readonly store = new Store({ wallTime: () => 0 });
  readonly changes: StoreEvent[] = [];
  readonly requests: RequestRecord[] = [];

  constructor() {
    const { store } = this;
    store.subscribe((change) => this.changes.push(change));
    store.create('leases', { metadata: lease, spec: {} });
    store.create('persistentvolumeclaims', {
      metadata: { namespace: 'shop', name: 'data' },
      spec: { volumeName: 'pv-1' },
    });
    const volumes = [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }];
    store.create('pods', { metadata: pod, spec: { nodeName: 'n1', volumes } });
    this.attach();
  }

  attach(): void {
    this.store.create('volumeattachments', {
      metadata: { ...attachment, finalizers: [attacherFinalizer(driver)] },
      spec: { attacher: driver, nodeName: 'n1', source: { persistentVolumeName: 'pv-1' } },
    });
  }

  uid(resource: ResourceName, { namespace, name }: { namespace?: string; name: string }): string {
    return this.store.find(resource, name, namespace)?.metadata.uid ?? '';
  }

  record(epoch: string | null, phase: FenceRecord['phase'] = 'Intent'): this {
    const fields = { v: 1, episode: `n1.${epoch}`, reason: '', since: '', bootId: '' } as const;
    const record = epoch && encodeFenceRecord({ ...fields, epoch, phase, volumes: [] });
    const annotations = { [fenceAnnotation]: record };
    this.store.patch('leases', lease, { metadata: { annotations } });
    return this;
  }

  mark(uid = this.uid('pods', pod)): this {
    const intent = encodePodIntent({ epoch: '7', node: 'n1', uid, volumes: [] });
    const annotations = { [intentAnnotation(driver)]: intent };
    this.store.patch('pods', pod, { metadata: { annotations } });
    return this;
  }

  /** Our finalizer, the deletion, and what the attacher does then. */
  hold(): this {
    const finalizers = [attacherFinalizer(driver), holdFinalizer];
    this.store.patch('volumeattachments', attachment, { metadata: { finalizers } });
    this.delete('volumeattachments', attachment);
    const metadata = { finalizers: [holdFinalizer] };
    this.store.patch('volumeattachments', attachment, { metadata });
    return this;
  }

  dropHold(): this {
    this.store.patch('volumeattachments', attachment, { metadata: { finalizers: [] } });
    return this;
  }

  fail(): this {
    const status = { phase: 'Failed', reason: 'VolumeFailover' };
    this.store.patch('pods', pod, { status }, { subresource: 'status' });
    return this;
  }

  delete(
    resource: 'pods' | 'volumeattachments',
    place: { namespace?: string; name: string },
    { uid = this.uid(resource, place), identity = 'controller-1', status = 200 } = {},
  ): this {
    const path =
      resource === 'pods'
        ? `/api/v1/namespaces/${place.namespace}/pods/${place.name}`
        : `/apis/storage.k8s.io/v1/volumeattachments/${place.name}`;
    const body = uid === '' ? {} : { preconditions: { uid } };
    const asked = { method: 'DELETE', path, query: '', identity, body, at: 0, status } as const;
    this.requests.push({ ...asked, mutating: true, watch: false });
    if (status === 200) this.store.delete(resource, place, { gracePeriodSeconds: 0 });
    return this;
  }

  get crimes(): readonly string[] {
    return crimesIn({ driver, changes: this.changes, requests: this.requests });
  }
}

/** From the intent to the release, as it should be. */
function whole(tale: Tale): Tale {
  return tale
    .record('7')
    .mark()
    .hold()
    .record('7', 'Fenced')
    .fail()
    .delete('pods', pod)
    .dropHold()
    .record('7', 'Moved')
    .record('7', 'Released')
    .record(null);
}

describe('what no episode may do', () => {
  let tale: Tale;
  beforeEach(() => {
    tale = new Tale();
  });

  it('is not done by one that is as it should be', () => {
    expect(whole(tale).crimes).toEqual([]);
    expect(leftOvers(tale.store, driver)).toEqual([]);
  });

  it('is a second episode for one record', () => {
    whole(tale).record('7');
    expect(tale.crimes).toEqual([`a second episode for ${lease.name} epoch 7`]);
  });

  it('is not another episode of the same node', () => {
    whole(tale).record('8');
    expect(tale.crimes).toEqual([]);
  });

  it('is a DELETE without a uid', () => {
    tale.record('7').mark().hold().fail().delete('pods', pod, { uid: '' });
    expect(tale.crimes).toContain('DELETE /api/v1/namespaces/shop/pods/web-0 without uid');
  });

  it.each([
    ['that was refused', { status: 409 }],
    ['of somebody else', { identity: 'kubelet:n1' }],
  ])('is not a DELETE without a uid %s', (_, request) => {
    tale
      .record('7')
      .mark()
      .hold()
      .delete('pods', pod, { uid: '', ...request });
    expect(tale.crimes).toEqual([]);
  });

  it.each([
    ['has no intent', (one: Tale) => one],
    ['carries the intent of another one', (one: Tale) => one.mark('uid-of-another')],
  ])('is the deletion of a pod that %s', (_, marked) => {
    marked(tale.record('7')).hold().fail().delete('pods', pod);
    expect(tale.crimes).toEqual(['/api/v1/namespaces/shop/pods/web-0 had no intent']);
  });

  it('is the deletion of an attachment that came after the episode had begun', () => {
    whole(tale);
    tale.attach();
    // In the time of the same record.
    tale.hold();
    expect(tale.crimes).toEqual(['va-1 was deleted after it came anew']);
  });

  it('is not the deletion of one that came before the next episode began', () => {
    whole(tale).attach();
    tale.record('8').hold();
    expect(tale.crimes).toEqual([]);
  });

  it.each([
    ['nothing is held', (one: Tale) => one],
    [
      'the deletion is all that was done',
      (one: Tale) => one.delete('volumeattachments', attachment),
    ],
  ])('is the end of a pod of whose volume %s', (_, fence) => {
    fence(tale.record('7').mark()).fail().delete('pods', pod);
    expect(tale.crimes).toEqual(['web-0 was ended before data was fenced']);
  });
});

describe('what is left of ours', () => {
  it('is named, object by object', () => {
    const tale = new Tale().record('7', 'Fenced').mark().hold();
    expect(leftOvers(tale.store, driver)).toEqual([
      `record Fenced on ${lease.name}`,
      'hold on va-1',
      'intent on web-0',
    ]);
  });
});
