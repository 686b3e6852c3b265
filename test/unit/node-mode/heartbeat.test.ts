import { describe, expect, it } from '@jest/globals';
import type { RenewHeartbeat } from '../../../src/node-mode/actions.ts';
import type { Fact, KubeletHealth } from '../../../src/node-mode/facts.ts';
import { failed, unknown } from '../../../src/shared/outcome.ts';
import { Bench, intervalMs } from './bench.ts';

const bootIdRead: Fact = { kind: 'BootIdRead', bootId: 'boot-1' };
const driverOk: Fact = { kind: 'DriverProbed', word: 'ok', nodeId: 'id-a' };

describe('the first heartbeat', () => {
  it('waits for the boot id, however long that takes', () => {
    const bench = new Bench();
    bench.see(driverOk);
    bench.pass(600_000);
    expect(bench.decide()).toEqual({ actions: [], notices: [], wakeAt: undefined });
    bench.see(bootIdRead);
    expect(bench.report()).toMatchObject({ bootId: 'boot-1', nodeId: 'id-a', driver: 'ok' });
  });

  it('goes out as soon as the driver was heard', () => {
    const bench = new Bench();
    bench.see(bootIdRead);
    expect(bench.wanted()).toEqual([]);
    bench.see(driverOk);
    expect(bench.wanted()).toEqual(['RenewHeartbeat']);
  });

  it('waits no longer than one interval for a driver that does not answer', () => {
    const bench = new Bench();
    bench.see(bootIdRead);
    expect(bench.decide()).toMatchObject({ actions: [], wakeAt: bench.now + intervalMs });
    bench.pass(intervalMs);
    expect(bench.report()).toMatchObject({ driver: 'silent', nodeId: '' });
  });

  it('is held in the name of this life of the machine', () => {
    const bench = new Bench();
    bench.see(bootIdRead);
    bench.see(driverOk);
    expect((bench.decide().actions[0] as RenewHeartbeat).bootId).toBe('boot-1');
  });
});

describe('the pace of the heartbeat', () => {
  it('is the interval, counted from the decision and not from its end', () => {
    const bench = Bench.running();
    expect(bench.decide()).toMatchObject({ actions: [], wakeAt: bench.now + intervalMs });
    bench.pass(intervalMs);
    const [action] = bench.decide().actions;
    if (action?.kind !== 'RenewHeartbeat') throw new Error('no renewal is due');
    bench.pass(700);
    // Still the same one while it is under way: the queue would not start it twice.
    expect(bench.decide().actions.map(({ key }) => key)).toEqual([action.key]);
    const { report } = action;
    bench.see({ kind: 'HeartbeatAcknowledged', report, fence: undefined });
    bench.settle(action, { kind: 'Done' });
    expect(bench.decide()).toMatchObject({ actions: [], wakeAt: bench.now - 700 + intervalMs });
  });

  it('every attempt has a key of its own, so that none inherits a back-off', () => {
    const bench = Bench.running();
    const keys = new Set<string>();
    for (let count = 0; count < 5; count += 1) {
      bench.pass(intervalMs);
      keys.add(bench.decide().actions[0]?.key ?? '');
      bench.failRenewal(unknown('NO_ANSWER', ''));
    }
    expect(keys.size).toBe(5);
  });

  it.each([
    ['nobody answered', unknown('NO_ANSWER', ''), intervalMs],
    ['the server failed', unknown('HTTP_503', ''), intervalMs],
    ['it is forbidden', failed('HTTP_403', ''), intervalMs],
    ['somebody else wrote in between', failed('HTTP_409', ''), 500],
  ])('when %s the next attempt keeps it', (_, outcome, waitMs) => {
    const bench = Bench.running();
    bench.pass(intervalMs);
    bench.failRenewal(outcome);
    expect(bench.decide()).toMatchObject({ actions: [], wakeAt: bench.now + waitMs });
    bench.pass(waitMs);
    expect(bench.wanted()).toEqual(['RenewHeartbeat']);
  });

  it('is left for a changed report, but not more than twice a second', () => {
    const bench = Bench.running();
    bench.see({ kind: 'DriverProbed', word: 'refused', nodeId: undefined });
    expect(bench.decide()).toMatchObject({ actions: [], wakeAt: bench.now + 500 });
    bench.pass(500);
    expect(bench.report()).toMatchObject({ driver: 'refused' });
  });

  it('is not left for a changed report while the API does not answer', () => {
    const bench = Bench.running();
    bench.pass(intervalMs);
    bench.failRenewal(unknown('NO_ANSWER', ''));
    bench.see({ kind: 'DriverProbed', word: 'refused', nodeId: undefined });
    expect(bench.decide().wakeAt).toBe(bench.now + intervalMs);
  });
});

describe('the report', () => {
  it.each(['ok', 'refused', 'silent'] as const)('passes on that the driver is %s', (word) => {
    const bench = Bench.running();
    bench.see({ kind: 'DriverProbed', word, nodeId: undefined });
    expect(bench.next()).toMatchObject({ driver: word, nodeId: 'id-a' });
  });

  it('takes over another node id', () => {
    const bench = Bench.running();
    bench.see({ kind: 'DriverProbed', word: 'ok', nodeId: 'id-b' });
    expect(bench.next()).toMatchObject({ nodeId: 'id-b' });
  });

  it('takes over another boot id, in the holder, too', () => {
    const bench = Bench.running();
    bench.see({ kind: 'BootIdRead', bootId: 'boot-2' });
    expect(bench.next()).toMatchObject({ bootId: 'boot-2' });
    expect((bench.decide().actions[0] as RenewHeartbeat).bootId).toBe('boot-2');
  });

  const rows: readonly [string, readonly KubeletHealth[], 'ok' | 'dead'][] = [
    ['nothing was seen', [], 'ok'],
    ['it never answered', ['dead', 'dead', 'dead', 'dead', 'dead'], 'ok'],
    ['two polls failed', ['ok', 'dead', 'dead'], 'ok'],
    ['three polls failed', ['ok', 'dead', 'dead', 'dead'], 'dead'],
    ['it came back', ['ok', 'dead', 'dead', 'dead', 'ok'], 'ok'],
    ['the failures were not in a row', ['ok', 'dead', 'dead', 'ok', 'dead'], 'ok'],
    ['one of them is in doubt', ['ok', 'dead', 'dead', 'unknown', 'dead', 'dead'], 'ok'],
    ['only doubts were seen', ['ok', 'unknown', 'unknown', 'unknown'], 'ok'],
    ['only doubts came before', ['unknown', 'dead', 'dead', 'dead'], 'ok'],
  ];
  it.each(rows)('says of the kubelet, when %s', (_, polls, word) => {
    const bench = Bench.running();
    for (const health of polls) bench.see({ kind: 'KubeletProbed', health });
    expect(bench.next()).toMatchObject({ kubelet: word });
  });

  it('counts the failures of the kubelet anew after the agent itself was suspended', () => {
    const bench = Bench.running();
    for (const health of ['ok', 'dead', 'dead'] as const) {
      bench.see({ kind: 'KubeletProbed', health });
    }
    bench.see({ kind: 'Suspended', gapMs: 60_000 });
    bench.see({ kind: 'KubeletProbed', health: 'dead' });
    expect(bench.next()).toMatchObject({ kubelet: 'ok' });
  });
});

describe('stopping', () => {
  it('is said at once, in one last renewal', () => {
    const bench = Bench.running();
    bench.see({ kind: 'Stopping' });
    expect(bench.report()).toMatchObject({ driver: 'stopping' });
    expect(bench.decide().actions).toMatchObject([{ last: true }]);
    bench.renew();
    bench.pass(600_000);
    expect(bench.decide()).toEqual({ actions: [], notices: [], wakeAt: undefined });
  });

  it('waits for the renewal under way and then still says so', () => {
    const bench = Bench.running();
    bench.pass(intervalMs);
    const [regular] = bench.decide().actions;
    if (regular?.kind !== 'RenewHeartbeat') throw new Error('no renewal is due');
    bench.see({ kind: 'Stopping' });
    const { report } = regular;
    bench.see({ kind: 'HeartbeatAcknowledged', report, fence: undefined });
    bench.settle(regular, { kind: 'Done' });
    expect(bench.report()).toMatchObject({ driver: 'stopping' });
  });

  it('is tried again soon while the API does not answer', () => {
    const bench = Bench.running();
    bench.see({ kind: 'Stopping' });
    bench.failRenewal(unknown('NO_ANSWER', ''));
    bench.pass(500);
    expect(bench.report()).toMatchObject({ driver: 'stopping' });
  });

  it('is said even if the driver was never heard', () => {
    const bench = new Bench();
    bench.see(bootIdRead);
    bench.see({ kind: 'Stopping' });
    expect(bench.report()).toMatchObject({ driver: 'stopping' });
  });
});
