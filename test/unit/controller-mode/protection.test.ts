import { describe, expect, it } from '@jest/globals';
import {
  ProtectionNotices,
  protectionOn,
  verdictsOfCarriers,
} from '../../../src/controller-mode/protection.ts';
import { watchProtection } from '../../../src/controller-mode/protection-source.ts';
import type { Notice } from '../../../src/shared/mode.ts';
import { policyAnnotation } from '../../../src/shared/names.ts';
import { createMetrics } from '../../../src/shared/metrics.ts';
import { FakeClock } from '../../fake-clock.ts';
import { World } from './world.ts';

function protection(world: World, node = 'n1'): Record<string, string> {
  const verdicts = verdictsOfCarriers(world.state, world.now);
  const found = protectionOn(world.state, node, world.now, verdicts);
  return Object.fromEntries(found.map(({ pod, hold }) => [pod.name, hold?.word ?? '']));
}

function retain(world: World, value: string): void {
  world.changePod('web-0', { annotations: { [policyAnnotation]: value } });
}

describe('whether a pod is protected', () => {
  it.each<readonly [string, string, (world: World) => void]>([
    ['yes', '', () => undefined],
    ['no, since it is annotated so', 'retain', (w) => retain(w, 'retain')],
    ['no, since it is paused', 'paused', (w) => w.configMap({ paused: 'true' })],
    [
      'no, since an unlabelled pod uses its volume',
      'shared-volume',
      (w) => w.pod('other', 'n1', ['web-0'], { selected: false }),
    ],
    [
      'no, since it has nowhere to go',
      'last-place',
      (w) => ['n2', 'n3', 'n4'].forEach((node) => w.changeNode(node, { unschedulable: true })),
    ],
    ['yes, in a storm that will pass', '', (w) => void w.silent('n2').silent('n3').silent('n4')],
  ])('%s', (_, word, change) => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    change(world);
    expect(protection(world)).toMatchObject({ 'web-0': word });
  });

  it('is not asked of pods that nobody labelled or that have no volume of the driver', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1', { selected: false });
    world.pod('plain', 'n1', []);
    expect(protection(world)).toEqual({});
  });
});

describe('what people are told of it', () => {
  function looks(world: World, notices: ProtectionNotices): string[] {
    const verdicts = verdictsOfCarriers(world.state, world.now);
    const found = protectionOn(world.state, 'n1', world.now, verdicts);
    return notices.look(found, world.now).map(({ reason, word }) => `${reason} ${word}`.trim());
  }

  it('is nothing where all is as it should be', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    const notices = new ProtectionNotices();
    for (let i = 0; i < 5; i += 1) expect(looks(world, notices)).toEqual([]);
  });

  it('is why it would stay, once that lasts, and that it is mended', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    retain(world, 'retain');
    const notices = new ProtectionNotices();
    expect(looks(world, notices)).toEqual([]);
    expect(looks(world, notices)).toEqual(['NotProtected retain']);
    expect(looks(world, notices)).toEqual(['NotProtected retain']);
    retain(world, 'delete');
    expect(looks(world, notices)).toEqual([]);
    expect(looks(world, notices)).toEqual(['Protected']);
  });

  it('is nothing of what a person has switched off', () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.configMap({ paused: 'true' });
    const notices = new ProtectionNotices();
    for (let i = 0; i < 5; i += 1) expect(looks(world, notices)).toEqual([]);
  });
});

describe('the lookout', () => {
  it('keeps the metric of each labelled pod, and is silent without the lead', async () => {
    const world = World.healthy();
    world.workload('web-0', 'n1');
    world.workload('web-1', 'n2');
    retain(world, 'retain');
    const clock = new FakeClock({ now: world.now });
    const metrics = createMetrics({ version: '', mode: '', startedAt: 0 });
    let told: readonly Notice[] = [];
    const announcer = { announce: (notices: readonly Notice[]) => void (told = notices) };
    const stop = watchProtection({ state: world.state, shell: { clock, metrics }, announcer });
    for (let second = 0; second < 31; second += 1) {
      world.pass(1_000);
      await clock.advance(1_000);
    }
    expect(told.map(({ reason, about }) => `${reason} ${about.name}`)).toEqual([
      'NotProtected web-0',
    ]);
    const lines = async (): Promise<string[]> =>
      (await metrics.render()).text
        .split('\n')
        .filter((line) => line.startsWith('csi_failover_pod_protected'));
    expect(await lines()).toEqual([
      'csi_failover_pod_protected{namespace="default",pod="web-0",reason="retain"} 0',
      'csi_failover_pod_protected{namespace="default",pod="web-1",reason=""} 1',
    ]);
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    await clock.advance(31_000);
    expect(told).toEqual([]);
    expect(await lines()).toEqual([]);
    stop();
    await clock.advance(0);
    expect(clock.pending).toBe(0);
  });
});
