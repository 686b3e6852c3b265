import { describe, expect, it } from '@jest/globals';
import type { RenewHeartbeat } from '../../../src/node-mode/actions.ts';
import { failed, unknown } from '../../../src/shared/outcome.ts';
import { Bench, fenceText, intervalMs, kubeletDir, mountOfVolume1 } from './bench.ts';

const clean = { clean: { epoch: 'e1', bootId: 'boot-1' } };
const mounted = { mounts: [{ mountPoint: mountOfVolume1, receives: true }] };

/** An agent whose last renewal found this annotation beside its report. */
function fenced(text = fenceText()): Bench {
  const bench = Bench.running();
  bench.pass(intervalMs);
  bench.renew(text);
  return bench;
}

describe('looking at the machine', () => {
  it('is not wanted while nothing asks whether it is clean', () => {
    const bench = Bench.running();
    expect(bench.wanted()).toEqual([]);
  });

  it.each(['Intent', 'Fenced', 'Released'] as const)('is not wanted in phase %s', (phase) => {
    const bench = fenced(fenceText({ phase }));
    expect(bench.wanted()).toEqual([]);
    expect(bench.next()).not.toHaveProperty('clean');
  });

  it('is wanted at once in phase Moved, and then once a heartbeat', () => {
    const bench = fenced();
    expect(bench.wanted()).toEqual(['InspectMachine']);
    bench.inspect(mounted);
    expect(bench.wanted()).toEqual([]);
    bench.pass(intervalMs);
    expect(bench.wanted()).toContain('InspectMachine');
  });

  it('goes on when it fails', () => {
    const bench = fenced();
    bench.failInspection(unknown('LATE', 'hangs'));
    bench.pass(intervalMs);
    expect(bench.wanted()).toContain('InspectMachine');
  });

  it.each([
    ['no JSON', '{'],
    ['another version', '{"v":2,"epoch":"e1","phase":"Moved"}'],
    ['a record without an epoch', '{"v":1,"phase":"Moved"}'],
    ['nothing', ''],
  ])('is not wanted for %s', (_, text) => {
    const bench = fenced(text);
    expect(bench.wanted()).toEqual([]);
    expect(bench.next()).not.toHaveProperty('clean');
  });

  it('ends when the process stops', () => {
    const bench = fenced();
    bench.see({ kind: 'Stopping' });
    expect(bench.wanted()).toEqual(['RenewHeartbeat']);
  });
});

describe('the attestation that a machine is clean', () => {
  it('quotes epoch and boot id and is sent at once', () => {
    const bench = fenced();
    bench.inspect();
    bench.pass(500);
    expect(bench.report()).toMatchObject(clean);
  });

  it('quotes the boot id of this life of the machine, not that of the record', () => {
    const bench = fenced(fenceText({ bootId: 'boot-0' }));
    bench.inspect();
    expect(bench.next()).toMatchObject(clean);
  });

  it('is not given before anybody looked', () => {
    const bench = fenced();
    expect(bench.next()).not.toHaveProperty('clean');
  });

  it('is not given while a fenced volume is mounted, and the log can say where', () => {
    const bench = fenced();
    bench.inspect(mounted);
    expect(bench.next()).not.toHaveProperty('clean');
    const renewal = bench.decide().actions.find(({ kind }) => kind === 'RenewHeartbeat');
    expect((renewal as RenewHeartbeat).uncleanBecause).toContain(mountOfVolume1);
  });

  it('is not given for an adopted record while any volume of the driver is staged', () => {
    const staged = `${kubeletDir}/plugins/kubernetes.io/csi/block.example.com/hash-of-vol-9/globalmount`;
    const look = { mounts: [{ mountPoint: staged, receives: true }] };
    const bench = fenced(fenceText({ reason: 'adopted' }));
    bench.inspect(look);
    expect(bench.next()).not.toHaveProperty('clean');
    const other = fenced();
    other.inspect(look);
    expect(other.next()).toMatchObject(clean);
  });

  it('is not given while a container of a pod that is gone runs, though nothing is mounted', () => {
    const bench = fenced(fenceText({ pods: ['0a-1b'] }));
    bench.inspect({ running: new Set(['own', '0a-1b']) });
    expect(bench.next()).not.toHaveProperty('clean');
    bench.inspect({ running: new Set(['own']) });
    expect(bench.next()).toMatchObject(clean);
  });

  it('is given when the volume is gone', () => {
    const bench = fenced();
    bench.inspect(mounted);
    bench.pass(intervalMs);
    bench.inspect();
    expect(bench.report()).toMatchObject(clean);
  });

  it('is taken back when the volume is mounted again', () => {
    const bench = fenced();
    bench.inspect();
    bench.pass(intervalMs);
    bench.inspect(mounted);
    expect(bench.report()).not.toHaveProperty('clean');
  });

  it.each([
    ['cannot be read', unknown('UNREADABLE', 'EACCES')],
    ['hangs', unknown('LATE', 'hangs')],
    ['is refused', failed('ANY', '')],
  ])('is taken back when the mount table %s', (_, outcome) => {
    const bench = fenced();
    bench.inspect();
    bench.pass(intervalMs);
    bench.failInspection(outcome);
    expect(bench.report()).not.toHaveProperty('clean');
  });

  it('is taken back when no look ends any more', () => {
    const bench = fenced();
    bench.inspect();
    bench.pass(500);
    bench.renew(fenceText());
    // The look that was begun then neither answers nor fails.
    const until = bench.now - 500 + 10 * intervalMs;
    expect(bench.decide().wakeAt).toBeLessThanOrEqual(until);
    bench.now = until - 1;
    expect(bench.report()).toMatchObject(clean);
    bench.now = until;
    expect(bench.report()).not.toHaveProperty('clean');
  });

  it('does not rest on a look that began before the record was known', () => {
    const bench = fenced();
    bench.inspect({ beganAt: bench.now - 1 });
    expect(bench.next()).not.toHaveProperty('clean');
  });

  it.each([
    ['another epoch', fenceText({ epoch: 'e2' })],
    [
      'more volumes',
      fenceText({
        volumes: [
          { handle: 'vol-1', pv: 'pv-1' },
          { handle: 'vol-2', pv: 'pv-2' },
        ],
      }),
    ],
  ])('does not carry over to a record with %s', (_, text) => {
    const bench = fenced();
    bench.inspect();
    bench.pass(intervalMs);
    bench.renew(text);
    expect(bench.next()).not.toHaveProperty('clean');
    expect(bench.wanted()).toContain('InspectMachine');
  });

  it('ends with the record', () => {
    const bench = fenced();
    bench.inspect();
    bench.pass(intervalMs);
    bench.renew(undefined);
    expect(bench.next()).not.toHaveProperty('clean');
    expect(bench.wanted()).not.toContain('InspectMachine');
  });

  it('starts anew after the agent itself was suspended', () => {
    const bench = fenced();
    bench.inspect();
    bench.pass(60_000);
    bench.see({ kind: 'Suspended', gapMs: 60_000 });
    expect(bench.report()).not.toHaveProperty('clean');
    // A look that was under way during the gap does not count either.
    bench.inspect({ beganAt: bench.now - 1 });
    expect(bench.report()).not.toHaveProperty('clean');
    bench.pass(intervalMs);
    bench.inspect();
    expect(bench.report()).toMatchObject(clean);
  });

  it('is not lost with the process: a new one looks and attests again', () => {
    const restarted = Bench.running();
    restarted.pass(intervalMs);
    restarted.renew(fenceText());
    restarted.inspect();
    expect(restarted.next()).toMatchObject(clean);
  });

  it('is not given where mounts cannot be seen', () => {
    const bench = fenced();
    bench.inspect({ mounts: [{ mountPoint: kubeletDir, receives: false }] });
    expect(bench.next()).not.toHaveProperty('clean');
  });
});
