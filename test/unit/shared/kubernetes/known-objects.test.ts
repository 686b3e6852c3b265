import { describe, expect, it } from '@jest/globals';
import type { LeaseView } from '../../../../src/shared/model.ts';
import type { WatchFact } from '../../../../src/shared/watch-fact.ts';
import { leaseView } from '../../../../src/shared/kubernetes/convert.ts';
import { KnownObjects } from '../../../../src/shared/kubernetes/known-objects.ts';
import { identified, type ObjectJson } from '../../../../src/shared/kubernetes/watch-event.ts';

function object(name: string, uid: string, resourceVersion: string): ObjectJson {
  const json = { metadata: { namespace: 'n', name, uid, resourceVersion } };
  const found = identified(json);
  if (found === undefined) throw new Error('not an object');
  return found;
}

function setUp() {
  const known = new KnownObjects<LeaseView>('leases');
  const change = (o: ObjectJson) =>
    known.changed(o, leaseView(o.json)).map((fact) => `${fact.kind} ${uidOf(fact)}`);
  return { known, change };
}

function uidOf(fact: WatchFact<LeaseView>): string {
  if (fact.kind === 'Upserted') return fact.object.uid;
  return fact.kind === 'Removed' ? fact.uid : '';
}

describe('KnownObjects', () => {
  it('tells a change once', () => {
    const { change } = setUp();
    expect(change(object('a', 'u1', '1'))).toEqual(['Upserted u1']);
    expect(change(object('a', 'u1', '1'))).toEqual([]);
    expect(change(object('a', 'u1', '2'))).toEqual(['Upserted u1']);
  });

  it('tells another uid under the same name as removed and upserted', () => {
    const { known, change } = setUp();
    known.replace([leaseView(object('a', 'u1', '1').json)]);
    expect(change(object('a', 'u2', '5'))).toEqual(['Removed u1', 'Upserted u2']);
  });

  it('does not let the late end of an old object remove its successor', () => {
    const { known, change } = setUp();
    change(object('a', 'u2', '5'));
    expect(known.deleted(object('a', 'u1', '4'))).toEqual([]);
    expect(known.deleted(object('a', 'u2', '6'))).toMatchObject([{ kind: 'Removed', uid: 'u2' }]);
    expect(known.deleted(object('a', 'u2', '6'))).toEqual([]);
  });

  it('tells an object that stops being of interest as removed', () => {
    const { known, change } = setUp();
    expect(known.changed(object('a', 'u1', '1'), undefined)).toEqual([]);
    change(object('a', 'u1', '2'));
    expect(known.changed(object('a', 'u1', '3'), undefined)).toMatchObject([{ kind: 'Removed' }]);
  });
});
