import { describe, expect, it } from '@jest/globals';
import { healthPicture } from '../../../src/controller-mode/health-picture.ts';
import type { HealthStatus } from '../../../src/shared/health.ts';
import { StorageWorld } from './storage-world.ts';
import { driver } from './views.ts';

const volumes = ['a', 'b', 'c', 'd', 'e'];

/** Five volumes that the storage finds well, used by a pod each on n1. */
function world(): StorageWorld {
  const made = StorageWorld.stored('list');
  for (const name of volumes) made.workload(name, 'n1');
  said(made, {});
  made.pass(1_000);
  return made;
}

/** The storage lists all of them as well but these. */
function said(of: StorageWorld, words: Record<string, HealthStatus>): void {
  const all = volumes.map((name) => [name, 'Healthy' as HealthStatus]);
  of.lists({ ...Object.fromEntries(all), ...words });
}

function told(of: StorageWorld, reason: string): string[] {
  return of.notices(reason).map(({ about }) => `${about.kind} ${about.name}`);
}

const abnormal = 'VolumeConditionAbnormal';
const normal = 'VolumeConditionNormal';

describe('what the storage says of a volume', () => {
  it('stands on its claim, with volume, cause and scope', () => {
    const w = world();
    expect(told(w, abnormal)).toEqual([]);
    said(w, { a: 'Inaccessible' });
    expect(told(w, abnormal)).toEqual(['PersistentVolumeClaim a']);
    const [notice] = w.notices(abnormal);
    expect(notice?.type).toBe('Warning');
    for (const part of ['vol-a', 'pv-a', driver, 'Inaccessible', 'IsInaccessible', 'volume:']) {
      expect(notice?.note).toContain(part);
    }
  });

  it('is said again only when it is another word', () => {
    const w = world();
    said(w, { a: 'Degraded' });
    const [first] = w.notices(abnormal);
    w.pass(60_000);
    said(w, { a: 'Degraded' });
    const [same, ...others] = w.notices(abnormal);
    expect([same?.key, same?.again, ...others]).toEqual([first?.key, first?.again]);
    expect([first?.note, same?.note]).toEqual([
      expect.stringContaining('since this moment'),
      expect.stringContaining('for 60 s now'),
    ]);
    said(w, { a: 'DataLoss' });
    const [second, ...more] = w.notices(abnormal);
    expect(second?.key).not.toBe(first?.key);
    expect(more).toEqual([]);
  });

  it('is over when it is called well, and not when nothing is known', () => {
    const w = world();
    said(w, { a: 'Abnormal' });
    w.pass(1_000);
    said(w, { a: 'Unknown' });
    w.silentStorage();
    w.says('a', undefined);
    expect(told(w, abnormal)).toEqual(['PersistentVolumeClaim a']);
    expect(told(w, normal)).toEqual([]);
    w.pass(1_000);
    said(w, {});
    expect(told(w, abnormal)).toEqual([]);
    expect(told(w, normal)).toEqual(['PersistentVolumeClaim a']);
    expect(w.notices(normal)[0]?.type).toBe('Normal');
  });

  it('is another occurrence when it comes back, as long as we saw it come', () => {
    const w = world();
    said(w, { a: 'Abnormal' });
    const [first] = w.notices(abnormal);
    w.pass(60_000);
    said(w, {});
    w.pass(60_000);
    said(w, { a: 'Abnormal' });
    const [second] = w.notices(abnormal);
    expect(second?.key).toBe(first?.key);
    expect(second?.again).toBeDefined();
    expect(second?.again).not.toBe(first?.again);
  });

  it('is no news to a leader that finds it so', () => {
    const w = world();
    said(w, { a: 'Abnormal' });
    w.see({ kind: 'Leadership', leading: false, renewal: '' });
    expect(w.decide().notices).toEqual([]);
    w.pass(60_000);
    w.see({ kind: 'Leadership', leading: true, renewal: '' });
    expect(w.notices(abnormal).map(({ again }) => again)).toEqual([undefined]);
  });

  it('is said to no claim that is not bound to the volume, by uid and by name', () => {
    const w = world();
    w.volume('b', { claimUid: 'of a claim that was deleted' });
    said(w, { a: 'Abnormal', b: 'Abnormal' });
    expect(told(w, abnormal)).toEqual(['PersistentVolumeClaim a']);
    w.remove(w.state.claims.get('default/a') ?? w.findPod('a'));
    expect(told(w, abnormal)).toEqual([]);
  });
});

describe('an outage of the management of the storage', () => {
  const many = Array.from({ length: 30 }, (_, i) => `m${i}`);
  const all = (status: HealthStatus) => Object.fromEntries(many.map((name) => [name, status]));

  function outage(): StorageWorld {
    const w = StorageWorld.stored('list');
    for (const name of many) w.volume(name);
    w.lists(all('Healthy'));
    w.pass(1_000);
    w.lists(all('Abnormal'));
    return w;
  }

  it('is said once, for the driver, and not to each claim', () => {
    const w = outage();
    expect(told(w, 'MostVolumesAbnormal')).toEqual([`CSIDriver ${driver}`]);
    expect(told(w, abnormal)).toEqual([]);
  });

  it('ends by itself, without a word to each claim', () => {
    const w = outage();
    w.pass(60_000);
    w.lists(all('Healthy'));
    expect(told(w, 'MostVolumesAbnormal')).toEqual([]);
    expect(told(w, 'MostVolumesNormal')).toEqual([`CSIDriver ${driver}`]);
    expect(told(w, normal)).toEqual([]);
    w.pass(600_000);
    expect(told(w, 'MostVolumesNormal')).toEqual([]);
  });

  it('leaves those that are still bad to be named', () => {
    const w = outage();
    w.pass(60_000);
    w.lists({ ...all('Healthy'), m7: 'Abnormal' });
    expect(told(w, abnormal)).toEqual(['PersistentVolumeClaim m7']);
    w.pass(60_000);
    w.lists(all('Healthy'));
    expect(told(w, normal)).toEqual(['PersistentVolumeClaim m7']);
  });

  it('of few volumes names them, too', () => {
    const w = world();
    said(w, { a: 'Abnormal', b: 'Abnormal', c: 'Abnormal' });
    expect(told(w, 'MostVolumesAbnormal')).toHaveLength(1);
    expect(told(w, abnormal)).toHaveLength(3);
    expect(w.notices(abnormal)[0]?.note).toContain('control-plane');
  });
});

describe('what a node says of a volume', () => {
  it('stands on the pods there that use it once it lasts, with node, cause, time and scope', () => {
    const w = world();
    said(w, { a: 'Inaccessible' });
    w.pod('reader', 'n1', ['a'], { selected: false });
    w.pod('elsewhere', 'n2', ['a'], { selected: false });
    w.sick('n1', ['a'], 'Inaccessible');
    const pods = () => told(w, abnormal).filter((text) => text.startsWith('Pod'));
    expect(pods()).toEqual([]);
    expect(w.decide().wakeAt).toBeLessThanOrEqual(w.now + 30_000);
    for (let i = 0; i < 31; i += 1) w.pass(1_000).beat('n1');
    expect(pods()).toEqual(['Pod a', 'Pod reader']);
    const [notice] = w.notices(abnormal).filter(({ about }) => about.kind === 'Pod');
    for (const part of ['vol-a', 'pv-a', 'node n1', 'IsInaccessible', '31 s', 'Scope volume']) {
      expect(notice?.note).toContain(part);
    }
  });

  it('is said at once if it is no matter of access', () => {
    const w = world();
    w.sick('n1', ['a'], 'Degraded');
    expect(told(w, abnormal)).toEqual(['Pod a']);
  });

  it('is over when the node sees volumes that are well, and not before', () => {
    const w = world();
    w.sick('n1', ['a'], 'DataLoss');
    w.pass(1_000);
    w.beat('n1', { unhealthy: [], volumes: { good: 0, bad: 0, unknown: 1 } });
    w.pass(10_000);
    expect(told(w, abnormal)).toEqual([]);
    expect(told(w, normal)).toEqual([]);
    w.well('n1');
    w.pass(10_000);
    expect(told(w, normal)).toEqual(['Pod a']);
  });

  it('is not said of a blip, nor is its end', () => {
    const w = world();
    w.sick('n1', ['a']);
    for (let i = 0; i < 20; i += 1) w.pass(1_000).beat('n1');
    w.well('n1');
    for (let i = 0; i < 30; i += 1) {
      w.pass(1_000).beat('n1');
      expect([...told(w, abnormal), ...told(w, normal)]).toEqual([]);
    }
  });
});

describe('the picture for the metrics', () => {
  it('has the claims in trouble, and where trouble lies', () => {
    const w = world();
    said(w, { a: 'Degraded', b: 'Inaccessible' });
    w.sick('n1', ['b']);
    for (let i = 0; i < 31; i += 1) w.pass(1_000).beat('n1');
    const { claims, scopes, known, abnormal: bad, isMass } = healthPicture(w.state, w.now);
    expect(claims.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'a Degraded',
      'b Inaccessible',
    ]);
    expect([...scopes]).toEqual([['volume', 1]]);
    expect([known, bad, isMass]).toEqual([5, 1, false]);
  });
});
