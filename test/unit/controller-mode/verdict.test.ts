import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { isFailed, isTroubled, type VerdictKind } from '../../../src/controller-mode/verdict.ts';
import type { NodeReport } from '../../../src/shared/record.ts';
import { beatMs, otherDriver } from './views.ts';
import { World } from './world.ts';

/** A healthy cluster whose node n1 renewed both Leases at this very moment, which is moment 0. */
function renewedNow(report: Partial<NodeReport> = {}): { world: World; zero: number } {
  const world = World.healthy();
  world.beat('n1', report);
  world.renew('n1');
  return { world, zero: world.now };
}

/** Time passes until then, in which the other nodes go on. */
function othersRenew(world: World, until: number): void {
  for (; world.now < until; world.now = Math.min(until, world.now + beatMs)) {
    for (const node of ['n2', 'n3', 'n4']) world.back(node);
  }
  world.now = until;
}

/** n1 at moment 0: agent and kubelet renewed for the last time at these moments. */
function lastSeen(agentAt: number, kubeletAt: number, report: Partial<NodeReport> = {}): World {
  const { world, zero } = renewedNow();
  const events = [
    { at: agentAt, seen: () => world.beat('n1', report) },
    { at: kubeletAt, seen: () => world.renew('n1') },
  ].sort((a, b) => a.at - b.at);
  for (const { at, seen } of events) {
    othersRenew(world, zero + at);
    seen();
  }
  world.now = zero;
  return world;
}

describe('the verdict of a node that falls silent as a whole', () => {
  it.each<[number, VerdictKind, string]>([
    [0, 'Alive', 'heartbeat'],
    [2 * beatMs - 1, 'Alive', 'heartbeat'],
    [2 * beatMs, 'Suspect', 'heartbeat-silent'],
    [9_999, 'Suspect', 'heartbeat-silent'],
    [10_000, 'Suspect', 'heartbeat-silent'],
    [14_999, 'Suspect', 'heartbeat-silent'],
    [15_000, 'Lost', 'node-silent'],
    [3_600_000, 'Lost', 'node-silent'],
  ])('is after %i ms %s (%s)', (afterMs, kind, reason) => {
    const { world, zero } = renewedNow();
    expect(world.verdict('n1', zero + afterMs)).toMatchObject({ kind, reason });
  });

  it('waits for lost-after when the kubelet was silent before', () => {
    const world = lastSeen(8_000, 0);
    expect(world.verdict('n1', world.now + 17_999).kind).toBe('Suspect');
    expect(world.verdict('n1', world.now + 18_000).kind).toBe('Lost');
  });

  it('counts one and a half renew intervals of this very kubelet', () => {
    const { world, zero } = renewedNow();
    world.renew('n1', { durationMs: 80_000 });
    expect(world.verdict('n1', zero + 29_999).kind).toBe('Suspect');
    expect(world.verdict('n1', zero + 30_000).kind).toBe('Lost');
  });

  it('takes the stock interval where a Lease does not say its duration', () => {
    const { world, zero } = renewedNow();
    world.renew('n1', { durationMs: 0 });
    expect(world.verdict('n1', zero + 14_999).kind).toBe('Suspect');
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Lost');
  });

  it('takes no write that leaves renewTime as it was for a renewal', () => {
    const { world, zero } = renewedNow();
    world.now = zero + 9_000;
    world.record('n1', ['data']);
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Lost');
  });

  it.each([
    ['agent first, just together', 0, 20_000, 'Lost'],
    ['agent first, just not', 0, 20_001, 'Suspect'],
    ['kubelet first, just together', 20_000, 0, 'Lost'],
    ['kubelet first, just not', 20_001, 0, 'Suspect'],
  ])('is joined by time: %s', (_, agentAt, kubeletAt, kind) => {
    const world = lastSeen(agentAt, kubeletAt);
    const bothSilentAt = world.now + Math.max(agentAt + 10_000, kubeletAt + 15_000);
    expect(world.verdict('n1', bothSilentAt).kind).toBe(kind);
    expect(world.verdict('n1', bothSilentAt + 600_000).kind).toBe(kind);
  });

  it('needs the slower word of Kubernetes when the silences do not belong together', () => {
    const world = lastSeen(0, 60_000);
    const at = world.now + 75_000;
    expect(world.verdict('n1', at)).toMatchObject({ kind: 'Suspect', reason: 'kubelet-silent' });
    world.changeNode('n1', { ready: 'False' });
    expect(world.verdict('n1', at).kind).toBe('Suspect');
    world.changeNode('n1', { ready: 'Unknown' });
    expect(world.verdict('n1', at)).toMatchObject({ kind: 'Lost', reason: 'node-not-ready' });
    expect(world.verdict('n1', at - 1).kind).toBe('AgentDown');
  });
});

describe('the verdict of a node whose agent alone is silent', () => {
  it.each<[string, number, number, VerdictKind]>([
    ['the kubelet renewed as the agent was just not silent yet', 2 * beatMs, 10_000, 'Suspect'],
    ['the kubelet renewed after the agent fell silent', 2 * beatMs + 1, 10_000, 'AgentDown'],
    ['the same, before lost-after', 2 * beatMs + 1, 9_999, 'Suspect'],
    ['the same, as long as the kubelet is not silent', 30_000, 44_999, 'AgentDown'],
  ])('is known by the kubelet: %s', (_, kubeletAt, at, kind) => {
    const world = lastSeen(0, kubeletAt);
    expect(world.verdict('n1', world.now + at).kind).toBe(kind);
  });

  it('is Lost when the kubelet follows soon, and no second cause is likely', () => {
    const world = lastSeen(0, 9_000);
    expect(world.verdict('n1', world.now + 23_999).kind).toBe('AgentDown');
    expect(world.verdict('n1', world.now + 24_000).kind).toBe('Lost');
  });

  it('is AgentDown at once after the agent said that it stops', () => {
    const { world, zero } = renewedNow({ driver: 'stopping' });
    expect(world.verdict('n1', zero + 2 * beatMs - 1).kind).toBe('Alive');
    expect(world.verdict('n1', zero + 2 * beatMs)).toMatchObject({
      kind: 'AgentDown',
      reason: 'agent-stopping',
    });
    expect(world.verdict('n1', zero + 14_999).kind).toBe('AgentDown');
  });

  it('is Lost although the agent said that it stops, when the kubelet went with it', () => {
    const { world, zero } = renewedNow({ driver: 'stopping' });
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Lost');
  });

  it('is Suspect while an agent that stopped might come back and the kubelet is silent', () => {
    const world = lastSeen(8_000, 0, { driver: 'stopping' });
    expect(world.verdict('n1', world.now + 14_999)).toMatchObject({
      kind: 'AgentDown',
      changesAt: world.now + 15_000,
    });
    expect(world.verdict('n1', world.now + 15_000).kind).toBe('Suspect');
  });

  it('is AgentDown where there never was an agent, until the kubelet is silent, too', () => {
    const { world, zero } = renewedNow();
    world.remove(world.heartbeat('n1'), 'heartbeats');
    const reason = 'agent-never-seen';
    expect(world.verdict('n1', zero)).toMatchObject({ kind: 'AgentDown', reason });
    expect(world.verdict('n1', zero + 14_999)).toMatchObject({ kind: 'AgentDown', reason });
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Suspect');
    world.changeNode('n1', { ready: 'Unknown' });
    expect(world.verdict('n1', zero + 14_999).kind).toBe('AgentDown');
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Lost');
  });

  it('is not read out of a heartbeat that we know from a listing only', () => {
    const world = new World();
    world.node('n1');
    const zero = world.now;
    expect(world.verdict('n1', zero + 14_999).kind).toBe('AgentDown');
    expect(world.verdict('n1', zero + 600_000).kind).toBe('Suspect');
    world.changeNode('n1', { ready: 'Unknown' });
    expect(world.verdict('n1', zero + 600_000).kind).toBe('Lost');
  });
});

describe('the verdict of a node whose kubelet alone is silent', () => {
  /** The agent goes on and says this of the kubelet; the kubelet's silence is `silenceMs` old. */
  function kubeletSilent(silenceMs: number, report: Partial<NodeReport>, durationMs = 40_000) {
    const { world, zero } = renewedNow();
    world.renew('n1', { durationMs });
    othersRenew(world, zero + silenceMs);
    world.beat('n1', report);
    return world.verdict('n1');
  }

  it.each<[number, VerdictKind, string]>([
    [14_999, 'Alive', 'heartbeat'],
    [15_000, 'Suspect', 'kubelet-silent'],
    [29_999, 'Suspect', 'kubelet-silent'],
    [30_000, 'KubeletDead', 'kubelet-dead'],
  ])('is after %i ms, found dead by the agent, %s', (silenceMs, kind, reason) => {
    expect(kubeletSilent(silenceMs, { kubelet: 'dead' })).toMatchObject({ kind, reason });
  });

  it('is never KubeletDead against the word of the agent', () => {
    const reason = 'kubelet-silent-but-answering';
    expect(kubeletSilent(600_000, { kubelet: 'ok' })).toMatchObject({ kind: 'Suspect', reason });
  });

  it('needs three renewals of a slow kubelet', () => {
    expect(kubeletSilent(44_999, { kubelet: 'dead' }, 60_000).kind).toBe('Suspect');
    expect(kubeletSilent(45_000, { kubelet: 'dead' }, 60_000).kind).toBe('KubeletDead');
  });

  it('is not KubeletDead while the Lease is renewed, whatever the agent says', () => {
    expect(kubeletSilent(0, { kubelet: 'dead' }).kind).toBe('Alive');
  });

  it('is not taken from the last word of an agent that is silent itself', () => {
    const world = lastSeen(60_000, 0, { kubelet: 'dead' });
    expect(world.verdict('n1', world.now + 60_000 + 2 * beatMs).kind).toBe('Suspect');
  });

  it('is Alive although Kubernetes calls the node not ready', () => {
    const { world } = renewedNow();
    world.changeNode('n1', { ready: 'False' });
    expect(world.verdict('n1').kind).toBe('Alive');
  });
});

describe('the verdict of a node whose driver does not answer', () => {
  /** The driver's word is bad since moment 0 and agent and kubelet go on for so long. */
  function badFor(durationMs: number, word: NodeReport['driver']): World {
    const { world } = renewedNow({ driver: word });
    return world.pass(durationMs);
  }

  it.each(['silent', 'refused'] as const)('is DriverDown after 60 s of %s', (word) => {
    const reason = `driver-${word}`;
    expect(badFor(59_000, word).verdict('n1')).toMatchObject({ kind: 'Alive', reason });
    expect(badFor(60_000, word).verdict('n1')).toMatchObject({ kind: 'DriverDown', reason });
  });

  it('is Alive again with the first good word, and starts anew with the next bad one', () => {
    const world = badFor(60_000, 'silent');
    world.beat('n1', { driver: 'ok' });
    expect(world.verdict('n1')).toMatchObject({ kind: 'Alive', reason: 'heartbeat' });
    world.beat('n1', { driver: 'silent' });
    expect(world.pass(59_000).verdict('n1').kind).toBe('Alive');
    expect(world.pass(1_000).verdict('n1').kind).toBe('DriverDown');
  });

  it('is not DriverDown because an agent that stops says so', () => {
    expect(badFor(90_000, 'stopping').verdict('n1').kind).toBe('Alive');
  });

  it('starts anew after a gap in our own view', () => {
    const world = badFor(59_000, 'silent');
    world.see({ kind: 'WatchLost', source: 'heartbeats', reason: 'reset' });
    world.see({ kind: 'WatchResumed', source: 'heartbeats' });
    expect(world.pass(59_000).verdict('n1').kind).toBe('Alive');
    expect(world.pass(1_000).verdict('n1').kind).toBe('DriverDown');
  });
});

describe('the verdict of a node that has no Node object', () => {
  it('is Gone while a VolumeAttachment of ours names it, else Unknown', () => {
    const { world } = renewedNow();
    world.workload('web-0', 'n1');
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.verdict('n1')).toMatchObject({ kind: 'Gone', reason: 'node-deleted' });
    world.remove(world.findAttachment('web-0', 'n1'));
    expect(world.verdict('n1')).toMatchObject({ kind: 'Unknown', reason: 'no-node' });
  });

  it('is not Gone because of an attachment of another driver', () => {
    const { world } = renewedNow();
    world.volume('files', { driver: otherDriver });
    world.attach('files', 'n1', { driver: otherDriver });
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.verdict('n1').kind).toBe('Unknown');
  });
});

describe('a gap in our own view', () => {
  const gaps: readonly [string, (world: World) => void][] = [
    ['a watch that was lost and resumed', (world) => resume(world)],
    ['a watch that was listed anew', (world) => relist(world)],
    ['a suspension of our process', (world) => world.see({ kind: 'Suspended', gapMs: 30_000 })],
  ];

  function resume(world: World): void {
    for (const source of ['heartbeats', 'kubeletLeases']) {
      world.see({ kind: 'WatchLost', source, reason: 'reset' });
      world.see({ kind: 'WatchResumed', source });
    }
  }

  function relist(world: World): void {
    for (const source of ['heartbeats', 'kubeletLeases'] as const) {
      const objects = [...world.state[source].values()].map(({ view }) => view);
      world.see({ kind: 'Replaced', source, objects });
    }
  }

  it.each(gaps)('restarts all silences: %s', (_, gap) => {
    const { world, zero } = renewedNow();
    world.now = zero + 14_000;
    gap(world);
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Alive');
    expect(world.verdict('n1', world.now + 2 * beatMs - 1).kind).toBe('Alive');
    expect(world.verdict('n1', world.now + 2 * beatMs).kind).toBe('Suspect');
    expect(world.verdict('n1', world.now + 14_999).kind).toBe('Suspect');
    expect(world.verdict('n1', world.now + 15_000).kind).toBe('Lost');
  });

  it.each(['heartbeats', 'kubeletLeases'])('restarts the silences of %s alone', (source) => {
    const { world, zero } = renewedNow();
    world.now = zero + 14_000;
    world.see({ kind: 'WatchLost', source, reason: 'reset' });
    world.see({ kind: 'WatchResumed', source });
    expect(world.verdict('n1', zero + 15_000).kind).not.toBe('Lost');
    expect(world.verdict('n1', zero + 29_000).kind).toBe('Lost');
  });

  it('does not restart them while the watch is merely alive', () => {
    const { world, zero } = renewedNow();
    world.now = zero + 14_000;
    world.see({ kind: 'WatchAlive', source: 'heartbeats' });
    expect(world.verdict('n1', zero + 15_000).kind).toBe('Lost');
  });
});

describe('the weight of a verdict', () => {
  it.each<[VerdictKind, boolean, boolean]>([
    ['Alive', false, false],
    ['Suspect', false, true],
    ['Lost', true, true],
    ['KubeletDead', true, true],
    ['AgentDown', false, false],
    ['DriverDown', false, false],
    ['StorageLost', true, true],
    ['Gone', true, true],
    ['Unknown', false, false],
  ])('of %s: failed %s, troubled %s', (kind, failed, troubled) => {
    const verdict = { kind, reason: '', since: 0, changesAt: undefined };
    expect(isFailed(verdict)).toBe(failed);
    expect(isTroubled(verdict)).toBe(troubled);
  });
});

describe('changesAt', () => {
  const word = fc.constantFrom('ok', 'silent', 'stopping', 'stopping');
  const often = ['beat', 'beat', 'renew', 'renew', 'gap', 'ready'];
  const seldom = ['suspend', 'lease-gone', 'node-gone'];
  const history = fc.array(
    fc.record({
      afterMs: fc.oneof(fc.integer({ min: 0, max: 9_000 }), fc.integer({ min: 0, max: 40_000 })),
      what: fc.constantFrom(...often, ...often, ...seldom),
      driver: word,
      kubelet: fc.constantFrom('ok', 'dead'),
      ready: fc.constantFrom('True', 'False', 'Unknown'),
      durationMs: fc.constantFrom(0, 20_000, 40_000, 120_000),
    }),
    { maxLength: 8 },
  );
  type Step = (typeof history extends fc.Arbitrary<infer T> ? T : never)[number];

  function play(world: World, { afterMs, what, ...step }: Step): void {
    world.now += afterMs;
    const { driver, kubelet, ready, durationMs } = step as Pick<NodeReport, 'driver' | 'kubelet'> &
      typeof step & { ready: 'True' };
    if (what === 'beat' && world.state.heartbeats.size > 0) world.beat('n1', { driver, kubelet });
    if (what === 'renew') world.renew('n1', { durationMs });
    if (what === 'gap') world.see({ kind: 'WatchResumed', source: 'heartbeats' });
    if (what === 'suspend') world.see({ kind: 'Suspended', gapMs: 1 });
    if (what === 'lease-gone' && world.state.heartbeats.size > 0) {
      world.remove(world.heartbeat('n1'), 'heartbeats');
    }
    const node = world.state.nodes.get('n1');
    if (node === undefined) return;
    if (what === 'ready') world.changeNode('n1', { ready });
    if (what === 'node-gone') world.remove(node);
  }

  it('is the first moment at which silence alone changes the verdict', () => {
    const run = fc.property(history, fc.integer({ min: 0, max: 25_000 }), (steps, laterMs) => {
      const world = new World();
      world.node('n1');
      for (const step of steps) play(world, step);
      const now = world.now + laterMs;
      const verdict = world.verdict('n1', now);
      const end = verdict.changesAt ?? now + 600_000;
      expect(end).toBeGreaterThan(now);
      for (const share of [0.01, 0.25, 0.5, 0.75, 0.99]) {
        expect(world.verdict('n1', now + (end - now) * share)).toEqual(verdict);
      }
      expect(world.verdict('n1', end - 0.001)).toEqual(verdict);
      if (verdict.changesAt === undefined) return;
      const next = world.verdict('n1', end);
      expect(next).not.toEqual(verdict);
      expect(next.changesAt ?? Number.POSITIVE_INFINITY).toBeGreaterThan(end);
    });
    fc.assert(run, { numRuns: 2_000 });
  });

  it('wakes the decision up in time', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.silent('n1').pass(5_000);
    const { changesAt } = world.verdict('n1');
    expect(changesAt).toBeGreaterThan(world.now);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(changesAt ?? 0);
  });
});
