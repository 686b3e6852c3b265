import { describe, expect, it } from '@jest/globals';
import { heartbeatLease, leaderLease } from '../../../src/shared/names.ts';
import type { Change } from '../../machine/foundation.ts';
import { isWatched } from '../../machine/watched.ts';
import { Store } from '../../model/store.ts';

const installation = { driverName: 'block.example.com', namespace: 'driver' };
const leader = leaderLease(installation.driverName);
const [a, b] = ['worker-a', 'worker-b'].map((name) =>
  heartbeatLease(installation.driverName, name),
) as [string, string];

/** What happened when these Leases were written one after the other. */
function written(names: readonly string[], namespace = installation.namespace): readonly Change[] {
  const store = new Store({ wallTime: () => 0 });
  const changes: Change[] = [];
  store.subscribe((event) => changes.push({ ...event, at: 0 }));
  for (const [index, name] of names.entries()) {
    const spec = { leaseTransitions: index };
    if (store.find('leases', name, namespace) === undefined) {
      store.create('leases', { metadata: { namespace, name }, spec });
    } else store.patch('leases', { namespace, name }, { spec });
  }
  return changes;
}

describe('a bed that is watched', () => {
  const machines = ['worker-a', 'worker-b'];

  it('has a leader since before two renewals of every agent', () => {
    const changes = written([a, leader, b, a, a, leader, b]);
    expect(isWatched(changes, installation, machines)).toBe(true);
  });

  it.each([
    ['nobody leads', [a, b, a, b, a, b]],
    ['the leader may know an agent from its first look alone', [a, a, leader, b, a, b]],
    ['an agent never came up', [leader, a, a, a]],
  ])('is none while %s', (_why, names) => {
    expect(isWatched(written(names), installation, machines)).toBe(false);
  });

  it('is none by the Leases of another namespace', () => {
    const changes = written([leader, a, a, b, b], 'another');
    expect(isWatched(changes, installation, machines)).toBe(false);
  });
});
