import { describe, expect, it } from '@jest/globals';
import { guards } from '../../../src/controller-mode/guards.ts';
import {
  fencedTaint,
  outOfServiceTaint,
  outOfServiceValue,
  pausedAnnotation,
  policyAnnotation,
} from '../../../src/shared/names.ts';
import { begun, foreign, type Row, table, withVolume, worldOf } from './guard-table.ts';
import { driver, otherDriver } from './views.ts';

const override = { 'storm-override': 'true' };
const readOnlyNfs = { ...foreign, source: 'nfs', readOnly: true };

/** Decides as if this guard did not exist. */
function without<T>(name: string, decide: () => T): T {
  const mutable = guards as Record<string, (typeof guards)[string]>;
  const guard = mutable[name];
  if (guard === undefined) throw new Error(`no guard ${name}`);
  mutable[name] = () => undefined;
  try {
    return decide();
  } finally {
    mutable[name] = guard;
  }
}

describe('without any reason to hold it', () => {
  it('a Lost node gets an episode and nobody is told of a hold', () => {
    const world = worldOf({});
    expect(begun(world)).toEqual(['n1']);
    expect(world.notices('FailoverHeld')).toEqual([]);
    const [begin] = world.wanted('BeginEpisode');
    expect(begin).toMatchObject({
      phase: 'Intent',
      volumes: [{ handle: 'vol-web-0', pv: 'pv-web-0' }],
      bootId: 'boot-n1',
    });
  });
});

describe('nothing holds', () => {
  const readOnly = { ...foreign, readOnly: true };
  it.each<[string, Omit<Row, 'guard' | 'when'>]>([
    ['at the bound of the storm guard', { before: (w) => w.silent('n2', 'kubelet') }],
    [
      'in a storm that a person overrides',
      { before: (w) => w.silent('n2').silent('n3'), after: (w) => w.configMap(override) },
    ],
    [
      'when the agents of others are down, because that is no trouble of their nodes',
      { before: (w) => w.silent('n2', 'agent').silent('n3', 'agent') },
    ],
    ['in a namespace that is allowed', { policy: { namespaces: ['shop', 'default'] } }],
    [
      'where a switch says anything but true',
      {
        after: (w) => {
          w.configMap({ paused: 'yes', 'dry-run': '' });
          w.namespaceSwitch({ [pausedAnnotation]: 'false' });
        },
      },
    ],
    ['for a foreign volume that is read-only', { after: (w) => withVolume(w, readOnlyNfs) }],
    [
      'for a claim that is no CSI volume and is read-only',
      {
        after: (w) => {
          w.volume('local', { driver: '' });
          const { volumes } = w.findPod('web-0');
          const local = { ...readOnly, kind: 'claim', claim: 'local' } as const;
          w.changePod('web-0', { volumes: [...volumes, local] });
        },
      },
    ],
    [
      'for a bare pod that may be deleted',
      {
        after: (w) => {
          const annotations = { [policyAnnotation]: 'delete' };
          w.changePod('web-0', { owner: undefined, annotations });
        },
      },
    ],
    [
      'for a pod that tolerates our taint with another effect',
      {
        after: (w) => {
          const key = fencedTaint(driver);
          const tolerations = [{ key, operator: 'Exists', value: '', effect: 'NoExecute' }];
          w.changePod('web-0', { tolerations });
        },
      },
    ],
    [
      'for the taint of another instance of ours',
      { after: (w) => w.taint('n1', outOfServiceTaint, outOfServiceValue(otherDriver)) },
    ],
    [
      'when CSINode has no entry of the driver any more',
      {
        after: (w) => {
          const view = w.state.csinodes.get('n1');
          if (view !== undefined) w.put({ ...view, nodeIds: {} });
        },
      },
    ],
    [
      'after a reboot, which changes the boot id once',
      { before: (w) => w.changeHeartbeat('n1', { holder: 'n1/boot-b', renewTime: w.version() }) },
    ],
    [
      'after an episode that moved nothing',
      {
        before: (w) => {
          w.record('n1', ['x'], { phase: 'Released', reason: 'withdrawn' });
          w.noRecord('n1');
        },
      },
    ],
    [
      'as long as one node is left',
      {
        policy: { maxLostNodes: { count: 1 } },
        after: (w) => {
          for (const node of ['n2', 'n3', 'n4']) w.changeNode(node, { unschedulable: true });
        },
      },
    ],
  ])('%s', (_, row) => {
    const world = worldOf(row);
    expect(begun(world)).toContain('n1');
    expect(world.words('FailoverHeld', 'web-0')).toEqual([]);
  });

  it('when the cooldown is over, and the decision wakes up for that', () => {
    const world = worldOf({
      before: (w) => {
        w.record('n1', ['x'], { phase: 'Moved' });
        w.noRecord('n1');
      },
    });
    const over = world.now - 20_000 + 300_000;
    world.pass(300_000 - 20_000 - 1_000);
    expect(begun(world)).toEqual([]);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(over);
    world.pass(1_000);
    expect(begun(world)).toEqual(['n1']);
  });

  it('when two boot ids have not taken turns for a while', () => {
    const world = worldOf({
      before: (w) => {
        for (const bootId of ['boot-b', 'boot-n1']) {
          w.changeHeartbeat('n1', { holder: `n1/${bootId}`, renewTime: w.version() });
        }
      },
    });
    expect(begun(world)).toEqual([]);
    world.pass(80_000);
    expect(begun(world)).toEqual(['n1']);
  });
});

describe('each guard', () => {
  it.each(table)('$guard holds when $when', (row) => {
    const world = worldOf(row);
    expect(world.verdict('n1').kind).toBe(row.guard === 'flapping' ? 'StorageLost' : 'Lost');
    expect(begun(world)).not.toContain('n1');
    expect(world.words('FailoverHeld', 'web-0')).toEqual([row.guard]);
  });

  it.each(table)('$guard alone holds when $when', (row) => {
    const world = worldOf(row);
    const decide = () => begun(world);
    const { behind } = row;
    const unguarded = behind === undefined ? decide : () => without(behind, decide);
    expect(without(row.guard, unguarded)).toContain('n1');
  });

  it('has a condition in this table', () => {
    expect([...new Set(table.map(({ guard }) => guard))].sort()).toEqual(
      Object.keys(guards).sort(),
    );
  });

  it('is asked in the order in which people are told', () => {
    expect(Object.keys(guards)).toEqual([
      'paused',
      'storm',
      'unfenceable',
      'flapping',
      'foreign-volume',
      'namespace',
      'retain',
      'not-movable',
      'node-id-changed',
      'duplicate-node',
      'other-remediator',
      'cooldown',
      'last-place',
      'dry-run',
    ]);
    const world = worldOf({ policy: { dryRun: true } });
    world.configMap({ paused: 'true' });
    world.changePod('web-0', { owner: undefined, annotations: { [policyAnnotation]: 'retain' } });
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['paused']);
    world.configMap({ paused: 'no' });
    expect(world.words('FailoverHeld', 'web-0')).toEqual(['retain']);
  });
});
