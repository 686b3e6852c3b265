import { describe, expect, it } from '@jest/globals';
import type { Fact, OwnLook } from '../../../src/node-mode/facts.ts';
import type { LookResult } from '../../../src/node-mode/look-pool.ts';
import type { VolumesAndMounts } from '../../../src/node-mode/machine.ts';
import { parseMountinfo } from '../../../src/node-mode/mounts.ts';
import type { NodeVolume } from '../../../src/node-mode/node-volumes.ts';
import { OwnLookSource } from '../../../src/node-mode/own-look-source.ts';
import type { LookQuestion } from '../../../src/node-mode/own-looks.ts';
import { FakeClock } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';

const everyMs = 5000;
const ok: LookResult = { kind: 'Answered', answer: { device: 'ok' } };
const eio: LookResult = {
  kind: 'Answered',
  answer: { failure: { call: 'statfs', errno: 5 }, device: 'ok' },
};

function volume(handle: string, rest: Partial<NodeVolume> = {}): NodeVolume {
  const publishPaths = [`/var/lib/kubelet/${handle}/mount`];
  return { handle, pv: '', block: false, publishPaths, stagingPath: '', ...rest };
}

function line(path: string, options = 'rw,relatime', id = 7): string {
  return `${id} 1 8:16 / ${path} ${options} shared:1 - ext4 /dev/sdb rw\n`;
}

const root = line('/', 'rw', 1);

function setUp(volumes: readonly NodeVolume[], mounts: string) {
  const clock = new FakeClock();
  const facts: Fact[] = [];
  const world = {
    volumes,
    mounts,
    kubeletDirs: ['/var/lib/kubelet'],
    read: (): Promise<VolumesAndMounts> => {
      const { kubeletDirs } = world;
      const table = parseMountinfo(root + world.mounts);
      return Promise.resolve({ volumes: world.volumes, mounts: table, kubeletDirs });
    },
    look: (_volume: string): Promise<LookResult> => Promise.resolve(ok),
    asked: [] as LookQuestion[],
    busy: 0,
    busiest: 0,
  };
  const source = new OwnLookSource({
    shell: { clock, random: () => 0.5, log: silentLog },
    readMachine: () => world.read(),
    pool: {
      stuck: 0,
      look: async (handle, question) => {
        world.asked.push(question);
        world.busy += 1;
        world.busiest = Math.max(world.busiest, world.busy);
        const result = await world.look(handle);
        world.busy -= 1;
        return result;
      },
    },
    everyMs,
    sysDir: '/sys',
    post: (fact) => void facts.push(fact),
  });
  const last = (handle: string): OwnLook | undefined =>
    facts
      .filter((fact) => fact.kind === 'VolumeLookedAt')
      .findLast((fact) => fact.handle === handle)?.look;
  const word = (handle: string): string => {
    const look = last(handle);
    return look?.kind === 'Seen' ? `${look.health.status} ${look.health.reason}`.trim() : 'Late';
  };
  return { clock, facts, world, source, last, word };
}

const pathOf = (handle: string): string => `/var/lib/kubelet/${handle}/mount`;

describe('our own looks', () => {
  it('go to each place where a pod has the volume, and the worst counts', async () => {
    const two = volume('a', { publishPaths: [pathOf('a1'), pathOf('a2')] });
    const { clock, world, source, word } = setUp([two], line(pathOf('a1')) + line(pathOf('a2')));
    world.look = () => Promise.resolve(world.asked.length === 2 ? eio : ok);
    source.start();
    await clock.advance(0);
    source.stop();
    expect(world.asked.map(({ path }) => path)).toEqual([pathOf('a1'), pathOf('a2')]);
    expect(word('a')).toBe('Inaccessible EIO');
  });

  it('never go to what is not mounted as far as we see', async () => {
    const { clock, world, source, word } = setUp([volume('a')], '');
    source.start();
    await clock.advance(5 * everyMs);
    source.stop();
    expect(world.asked).toEqual([]);
    expect(word('a')).toBe('Unknown NotSeen');
  });

  it('find the mount where the kernel sees it', async () => {
    const { clock, world, source, word } = setUp([volume('a')], line('/data/kubelet/a/mount'));
    world.kubeletDirs = ['/var/lib/kubelet', '/data/kubelet'];
    source.start();
    await clock.advance(0);
    source.stop();
    expect(word('a')).toBe('Healthy');
  });

  it('miss a mount that was there, once it is missing twice', async () => {
    const { clock, world, source, word } = setUp([volume('a')], line(pathOf('a')));
    source.start();
    await clock.advance(0);
    world.mounts = '';
    await clock.advance(everyMs);
    expect(word('a')).toBe('Unknown NotSeen');
    await clock.advance(everyMs);
    expect(word('a')).toBe('Inaccessible MountGone');
    world.mounts = line(pathOf('a'), 'rw', 9);
    await clock.advance(everyMs);
    source.stop();
    expect(word('a')).toBe('Healthy');
  });

  it('notice that a mount has become read-only, and do not ask a new one for its past', async () => {
    const { clock, world, source, word } = setUp([volume('a')], line(pathOf('a')));
    source.start();
    await clock.advance(0);
    world.mounts = line(pathOf('a'), 'ro');
    await clock.advance(everyMs);
    expect(word('a')).toBe('Inaccessible ReadOnly');
    await clock.advance(everyMs);
    expect(word('a')).toBe('Inaccessible ReadOnly');
    world.mounts = line(pathOf('a'), 'ro', 9);
    await clock.advance(everyMs);
    source.stop();
    expect(word('a')).toBe('Healthy');
  });

  it('miss a device only if they saw it before', async () => {
    const { clock, world, source, word } = setUp([volume('a')], line(pathOf('a')));
    const absent: LookResult = { kind: 'Answered', answer: { device: 'absent' } };
    world.look = () => Promise.resolve(absent);
    source.start();
    await clock.advance(everyMs);
    expect(word('a')).toBe('Healthy');
    world.look = () => Promise.resolve(ok);
    await clock.advance(everyMs);
    world.look = () => Promise.resolve(absent);
    await clock.advance(everyMs);
    source.stop();
    expect(word('a')).toBe('Inaccessible DeviceGone');
  });

  it('ask for the device of a block volume, and for no mount options of it', async () => {
    const block = volume('a', { block: true });
    const { clock, world, source, word } = setUp([block], line(pathOf('a'), 'ro'));
    source.start();
    await clock.advance(0);
    source.stop();
    expect(world.asked).toMatchObject([{ isBlock: true, device: '' }]);
    expect(word('a')).toBe('Healthy');
  });

  it('that hang come last, a few at a time, and hold up no other', async () => {
    const handles = ['a', 'b', 'c', 'd', 'e', 'f'];
    const { clock, facts, world, source, word } = setUp(
      handles.map((handle) => volume(handle)),
      handles.map((handle) => line(pathOf(handle))).join(''),
    );
    world.look = async (handle) => {
      if (handle > 'd') return ok;
      await clock.sleep(5000);
      return { kind: 'Late' };
    };
    source.start();
    // The first found out which ones hang; the second begins a second after its end.
    await clock.advance(15_500);
    world.asked.length = 0;
    facts.length = 0;
    world.busiest = 0;
    await clock.advance(1000);
    expect([word('e'), word('f')]).toEqual(['Healthy', 'Healthy']);
    expect(world.busiest).toBeLessThanOrEqual(3);
    await clock.advance(15_000);
    source.stop();
    expect(facts.filter((fact) => fact.kind === 'VolumeLookedAt').length).toBeGreaterThanOrEqual(6);
  });

  it('say nothing where we could not look', async () => {
    const { clock, world, source, word } = setUp([volume('a')], line(pathOf('a')));
    world.look = () => Promise.resolve({ kind: 'Unable' });
    source.start();
    await clock.advance(0);
    source.stop();
    expect(word('a')).toBe('Unknown NotSeen');
  });

  it.each<readonly [string, () => Promise<VolumesAndMounts>]>([
    ['hangs', () => new Promise(() => {})],
    ['cannot be read', () => Promise.reject(new Error('EIO'))],
  ])('fail, and go on, where the machine %s', async (_, read) => {
    const { clock, facts, world, source } = setUp([volume('a')], line(pathOf('a')));
    world.read = read;
    source.start();
    await clock.advance(4 * everyMs);
    source.stop();
    expect(facts.length).toBeGreaterThanOrEqual(2);
    expect(new Set(facts.map(({ kind }) => kind))).toEqual(new Set(['OwnLooksFailed']));
  });
});
