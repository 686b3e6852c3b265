import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { type HealthStatus, healthStatuses } from '../../../src/shared/health.ts';
import { reportAnnotation } from '../../../src/shared/names.ts';
import { failed, unknown } from '../../../src/shared/outcome.ts';
import { StorageWorld } from './storage-world.ts';

/** Three volumes in use on n1, n2, n3, and seven more that the storage has. */
const names = ['web-0', 'web-1', 'web-2'] as const;
const others = Array.from({ length: 7 }, (_, i) => `v${i}`);
const nodeOf: Readonly<Record<string, string>> = { 'web-0': 'n1', 'web-1': 'n2', 'web-2': 'n3' };
const bad: readonly HealthStatus[] = ['Inaccessible', 'Hung', 'Abnormal'];
const unhealthyAfterMs = 30_000;

/** One thing that happens. Small times are frequent, and some pass every bound there is. */
type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'node'; readonly name: string; readonly status: HealthStatus | 'gone' }
  | { readonly kind: 'garbage'; readonly name: string; readonly text: string }
  | { readonly kind: 'storage'; readonly name: string; readonly status: HealthStatus | undefined }
  | { readonly kind: 'listing'; readonly statuses: readonly HealthStatus[] }
  | { readonly kind: 'unread'; readonly name: string | undefined }
  | { readonly kind: 'offers'; readonly health: 'list' | 'get' | 'none' }
  /** What Kubernetes itself keeps of the volume's health: the kubelet's word, or the claim's. */
  | { readonly kind: 'kubelet'; readonly name: string; readonly status: HealthStatus | undefined }
  | { readonly kind: 'claim'; readonly name: string; readonly status: HealthStatus | undefined }
  /** The storage is asked what is to be asked, and says that all is well. */
  | { readonly kind: 'confirmed' }
  | { readonly kind: 'suspended' };

const name = fc.constantFrom(...names);
const status = fc.constantFrom(...healthStatuses);
const steps = {
  wait: fc.record({
    kind: fc.constant('wait' as const),
    ms: fc.constantFrom(1_000, 5_000, 15_000, 30_000, 30_000, 60_000, 300_000),
  }),
  node: fc.record({
    kind: fc.constant('node' as const),
    name,
    status: fc.oneof(status, fc.constant('Inaccessible' as const), fc.constant('gone' as const)),
  }),
  garbage: fc.record({
    kind: fc.constant('garbage' as const),
    name,
    text: fc.oneof(fc.string(), fc.json()),
  }),
  storage: fc.record({
    kind: fc.constant('storage' as const),
    name,
    status: fc.oneof(status, fc.constant(undefined)),
  }),
  listing: fc.record({
    kind: fc.constant('listing' as const),
    statuses: fc.array(status, { minLength: 0, maxLength: 10 }),
  }),
  unread: fc.record({
    kind: fc.constant('unread' as const),
    name: fc.oneof(name, fc.constant(undefined)),
  }),
  offers: fc.record({
    kind: fc.constant('offers' as const),
    health: fc.constantFrom('list' as const, 'get' as const, 'none' as const),
  }),
  kubelet: fc.record({
    kind: fc.constant('kubelet' as const),
    name,
    status: fc.oneof(status, fc.constant(undefined)),
  }),
  claim: fc.record({
    kind: fc.constant('claim' as const),
    name,
    status: fc.oneof(status, fc.constant(undefined)),
  }),
  confirmed: fc.record({ kind: fc.constant('confirmed' as const) }),
  suspended: fc.record({ kind: fc.constant('suspended' as const) }),
};

/** The same sequences at each run: what they reach is known, and must not become less unseen. */
const seed = 1432;

/** What an onlooker remembers, in the plainest way there is. */
interface Onlooker {
  health: 'list' | 'get' | 'none';
  /** Of each volume: what its node says, and since when it has been bad without a break. */
  readonly badSince: Map<string, number>;
  readonly wellAt: Map<string, number>;
}

function start(health: 'list' | 'get' | 'none'): { world: StorageWorld; seen: Onlooker } {
  const world = StorageWorld.stored(health);
  for (const one of names) world.workload(one, nodeOf[one] ?? '');
  for (const one of others) world.volume(one);
  return { world, seen: { health, badSince: new Map(), wellAt: new Map() } };
}

function take(world: StorageWorld, seen: Onlooker, step: Step): void {
  switch (step.kind) {
    case 'wait':
      world.pass(step.ms);
      return;
    case 'node': {
      const node = nodeOf[step.name] ?? '';
      if (step.status === 'gone') world.well(node);
      else world.sick(node, [step.name], step.status);
      const isBad = step.status !== 'gone' && bad.includes(step.status);
      if (!isBad) seen.badSince.delete(step.name);
      else if (!seen.badSince.has(step.name)) seen.badSince.set(step.name, world.now);
      return;
    }
    case 'garbage':
      world.changeHeartbeat(nodeOf[step.name] ?? '', {
        annotations: { [reportAnnotation]: step.text },
      });
      seen.badSince.delete(step.name);
      return;
    case 'storage':
      world.says(step.name, step.status);
      hear(seen, step.name, step.status, world.now);
      return;
    case 'listing': {
      const listed = [...names, ...others].slice(0, step.statuses.length);
      world.lists(Object.fromEntries(listed.map((one, i) => [one, step.statuses[i] ?? 'Unknown'])));
      for (const [i, one] of listed.entries()) {
        if (step.statuses[i] !== 'Unknown') hear(seen, one, step.statuses[i], world.now);
      }
      return;
    }
    case 'unread':
      world.silentStorage(step.name);
      return;
    case 'offers':
      world.offers(step.health);
      seen.health = step.health;
      return;
    case 'kubelet':
      world.kubeletSays(step.name, step.status);
      return;
    case 'claim':
      world.claimSays(step.name, step.status);
      return;
    case 'confirmed':
      for (const question of world.wanted('ConfirmHealth')) {
        world.settle(question);
        hear(seen, question.handle.slice('vol-'.length), 'Healthy', world.now);
      }
      return;
    case 'suspended':
      world.see({ kind: 'Suspended', gapMs: 1_000 });
      for (const one of seen.badSince.keys()) seen.badSince.set(one, world.now);
  }
}

function hear(
  { wellAt }: Onlooker,
  one: string,
  said: HealthStatus | undefined,
  now: number,
): void {
  if (said === 'Healthy' || said === 'Degraded') wellAt.set(one, now);
  else wellAt.delete(one);
}

/** The volumes whose pods would be moved now. */
function moving(world: StorageWorld): string[] {
  const begun = world.wanted('BeginEpisode').flatMap(({ troubled = [] }) => troubled);
  return begun.map((handle) => handle.slice('vol-'.length));
}

const allowed = ['ConfirmHealth', 'SetTaint unavailable', 'ClearTaint unavailable'];

function touched(world: StorageWorld): readonly string[] {
  return world.steps().filter((step) => !allowed.some((word) => step.startsWith(word)));
}

describe('whatever nodes, storage and driver say, in whatever order', () => {
  // Weighted, so that trouble often lasts long enough for something to follow.
  const often = { wait: 6, node: 3, confirmed: 4 } as const;
  const weighted = Object.entries(steps).map(([kind, arbitrary]) => ({
    weight: kind in often ? often[kind as keyof typeof often] : 1,
    arbitrary: arbitrary as fc.Arbitrary<Step>,
  }));
  const any = fc.array(fc.oneof(...weighted), { minLength: 1, maxLength: 30 });

  it('a pod moves only after its node had lasting trouble and the storage found it well', () => {
    let moves = 0;
    fc.assert(
      fc.property(fc.constantFrom('list', 'get', 'none'), any, (health, sequence) => {
        const { world, seen } = start(health);
        for (const step of sequence) {
          take(world, seen, step);
          for (const one of moving(world)) {
            moves += 1;
            const badSince = seen.badSince.get(one) ?? world.now;
            expect(world.now - badSince).toBeGreaterThanOrEqual(unhealthyAfterMs);
            const wellAt = seen.wellAt.get(one) ?? Number.NEGATIVE_INFINITY;
            if (seen.health !== 'none') expect(world.now - wellAt).toBeLessThanOrEqual(10_000);
            expect([...seen.badSince.keys()].length).toBeLessThanOrEqual(2);
          }
        }
      }),
      { seed, numRuns: 500 },
    );
    // Else this would hold of a product that does nothing.
    expect(moves).toBeGreaterThan(50);
  });

  it('no pod moves for what Kubernetes itself keeps of its health, and nothing is asked', () => {
    const { wait, kubelet, claim, suspended } = steps;
    const kept = fc.oneof(wait, kubelet, claim, suspended);
    fc.assert(
      fc.property(
        fc.constantFrom('list', 'get', 'none'),
        fc.array(kept, { minLength: 1, maxLength: 30 }),
        (health, sequence) => {
          const { world, seen } = start(health);
          for (const step of sequence) {
            take(world, seen, step);
            expect(world.steps()).toEqual([]);
          }
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('no pod moves while the storage has no good word, however the question fails', () => {
    const { wait, node, garbage, unread, kubelet, claim, suspended } = steps;
    const failing = fc.oneof(wait, wait, node, garbage, unread, kubelet, claim, suspended);
    const answer = fc.constantFrom(
      unknown('DEADLINE_EXCEEDED', ''),
      unknown('UNAVAILABLE', ''),
      unknown('INTERNAL', ''),
      unknown('NO_WORD', ''),
      failed('NOT_FOUND', ''),
      failed('INVALID_ARGUMENT', ''),
      failed('UNIMPLEMENTED', ''),
      failed('VOLUME_ABNORMAL', ''),
    );
    fc.assert(
      fc.property(
        fc.constantFrom('list', 'get'),
        fc.array(fc.tuple(failing, answer), { minLength: 1, maxLength: 30 }),
        (health, sequence) => {
          const { world, seen } = start(health);
          for (const [step, outcome] of sequence) {
            take(world, seen, step);
            for (const question of world.wanted('ConfirmHealth')) world.settle(question, outcome);
            expect(touched(world)).toEqual([]);
          }
        },
      ),
      { seed, numRuns: 300 },
    );
  });

  it('no pod moves for what the storage says alone, though it calls everything lost', () => {
    const { wait, storage, listing, unread, offers, claim, suspended } = steps;
    const alone = fc.oneof(wait, storage, listing, unread, offers, claim, suspended);
    fc.assert(
      fc.property(fc.array(alone, { minLength: 1, maxLength: 30 }), (sequence) => {
        const { world, seen } = start('list');
        for (const step of sequence) {
          take(world, seen, step);
          expect(touched(world)).toEqual([]);
        }
      }),
      { seed, numRuns: 300 },
    );
  });

  it('no pod moves for one bad word of its node, whatever it is, that is not repeated', () => {
    fc.assert(
      fc.property(
        name,
        status,
        fc.oneof(fc.string(), fc.json()),
        fc.integer({ min: 0, max: 29_999 }),
        (one, said, text, afterMs) => {
          const { world, seen } = start('none');
          take(world, seen, { kind: 'node', name: one, status: said });
          world.pass(afterMs);
          expect(touched(world)).toEqual([]);
          take(world, seen, { kind: 'garbage', name: one, text });
          world.pass(60_000);
          expect(touched(world)).toEqual([]);
        },
      ),
      { seed, numRuns: 200 },
    );
  });

  it('no pod moves within 30 s after an outage in which many nodes and the storage could not tell', () => {
    const during = fc.array(
      fc.oneof(
        fc.constantFrom(1_000, 10_000, 60_000).map((ms) => ({ kind: 'wait', ms }) as const),
        fc
          .constantFrom(...bad)
          .map((said) => ({ kind: 'node', name: 'web-0', status: said }) as const),
        fc.constant({ kind: 'unread', name: 'web-0' } as const),
        fc.constant({ kind: 'unread', name: undefined } as const),
      ),
      { minLength: 1, maxLength: 10 },
    );
    const order = fc.shuffledSubarray(['n2', 'n3', 'n4', 'n5', 'storage'], { minLength: 5 });
    fc.assert(
      fc.property(during, order, fc.constantFrom(0, 1_000, 5_000), (sequence, back, pauseMs) => {
        const { world, seen } = start('get');
        for (const node of ['n2', 'n3', 'n4', 'n5']) {
          world.well(node, 0, { volumes: { good: 0, bad: 0, unknown: 2 } });
        }
        for (const step of sequence) take(world, seen, step);
        // It goes on for n1 alone, while all others come back in whatever order.
        world.silentStorage('web-0');
        world.sick('n1', ['web-0']);
        for (const one of back) {
          world.pass(pauseMs);
          if (one === 'storage') world.says('web-0', 'Healthy');
          else world.well(one);
          expect(moving(world)).toEqual([]);
        }
        for (let i = 0; i < 2; i += 1) {
          world.pass(4_000);
          world.says('web-0', 'Healthy');
          expect(moving(world)).toEqual([]);
        }
      }),
      { seed, numRuns: 200 },
    );
  });

  it('no pod moves while more nodes than the storm bound have trouble at the same time', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...bad), { minLength: 3, maxLength: 3 }), (statuses) => {
        const { world } = start('get');
        for (const [i, one] of names.entries()) {
          world.sick(nodeOf[one] ?? '', [one], statuses[i] ?? 'Hung');
        }
        for (let i = 0; i < 10; i += 1) {
          world.pass(10_000);
          for (const one of names) world.says(one, 'Healthy');
          expect(touched(world)).toEqual([]);
        }
      }),
      { seed, numRuns: 30 },
    );
  });
});
