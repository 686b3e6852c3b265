import { describe, expect, it } from '@jest/globals';
import { outOfServiceTaint, releaseAnnotation } from '../../../src/shared/names.ts';
import { uniqueVolumeName } from '../../../src/shared/model.ts';
import { driver, epoch, otherDriver, reportText } from './views.ts';
import { World } from './world.ts';

const released = 'UpdateRecord Released';
const clean = { clean: { epoch, bootId: 'boot-n1' } };

/** Everything has moved away from n1, which is still gone. */
function moved(volumes: readonly string[] = ['web-0']): World {
  const world = World.healthy();
  for (const name of volumes) world.volume(name);
  world.lose('n1');
  world.taint('n1');
  world.record('n1', volumes, { phase: 'Moved' });
  return world.pass(1_000);
}

/** The machine went on and its agent attests that nothing is left. */
function attested(volumes?: readonly string[]): World {
  const world = moved(volumes).back('n1');
  world.pass(30_000);
  world.beat('n1', clean);
  return world;
}

/** The machine has booted again; no agent says anything. */
function rebooted(): World {
  const world = moved().back('n1', 'kubelet');
  world.changeNode('n1', { bootId: 'boot-new' });
  return world.pass(30_000);
}

/** Its record was made for a hold that stood without one: what was taken before nobody knows. */
function adopted(world: World): World {
  world.record('n1', ['web-0'], { phase: 'Moved', reason: 'adopted' });
  return world;
}

function kept(world: World): readonly string[] {
  return world.words('NodeKeptFenced', 'n1');
}

describe('a node is given back', () => {
  it('when its agent attests that it is clean', () => {
    const world = attested();
    expect(world.steps()).toEqual([released]);
    expect(kept(world)).toEqual([]);
    const [update] = world.wanted('UpdateRecord');
    expect(update).toMatchObject({
      exclusive: true,
      record: { epoch, reason: 'Lost: node-silent' },
    });
  });

  it('when it has booted again', () => {
    expect(rebooted().steps()).toEqual([released]);
  });

  it('when its Node is deleted', () => {
    const world = moved();
    world.pass(30_000);
    const node = world.state.nodes.get('n1');
    if (node !== undefined) world.remove(node);
    expect(world.steps()).toEqual([released]);
  });

  it('when a person says so, quoting the epoch', () => {
    const world = moved();
    world.pass(30_000);
    world.changeNode('n1', { annotations: { [releaseAnnotation]: '6' } });
    expect(kept(world)).toEqual(['not-back']);
    world.changeNode('n1', { annotations: { [releaseAnnotation]: epoch } });
    expect(world.steps()).toEqual([released]);
  });

  it('when a person says so although pods that have lost nothing run there without an agent', () => {
    const world = moved();
    world.workload('db-0', 'n1');
    world.record('n1', ['web-0', 'db-0'], { phase: 'Fenced' });
    world.mark('db-0');
    world.pass(1_000).back('n1', 'kubelet');
    expect(world.verdict('n1').kind).toBe('AgentDown');
    expect(world.steps()).toEqual(['UpdateRecord Moved']);
  });
});

describe('a node that attests is kept', () => {
  it.each<[string, string, (world: World) => void]>([
    ['its kubelet is not ready', 'not-back', (w) => w.changeNode('n1', { ready: 'False' })],
    [
      'Kubernetes does not know of its kubelet',
      'not-back',
      (w) => w.changeNode('n1', { ready: 'Unknown' }),
    ],
    [
      'its kubelet still has the volume in use',
      'in-use',
      (w) => w.changeNode('n1', { volumesInUse: [uniqueVolumeName(driver, 'vol-web-0')] }),
    ],
    ['an attachment names it', 'attached', (w) => w.attach('web-0', 'n1')],
    ['its agent quotes another epoch', 'not-clean', (w) => attest(w, '6', 'boot-n1')],
    ['its agent quotes another life of it', 'not-clean', (w) => attest(w, epoch, 'boot-old')],
    ['its agent attests nothing', 'not-clean', (w) => w.beat('n1', {})],
    [
      'its agent says what nobody understands',
      'not-clean',
      (w) => {
        const annotations = { ...w.heartbeat('n1').annotations };
        for (const key of Object.keys(annotations)) {
          if (key.endsWith('/report')) annotations[key] = '{"clean":true}';
        }
        w.changeHeartbeat('n1', { annotations });
      },
    ],
    ['its agent fell silent after it', 'not-clean', (w) => w.silent('n1', 'agent').pass(10_000)],
  ])('while %s', (_, word, change) => {
    const world = attested();
    change(world);
    expect(world.steps()).not.toContain(released);
    expect(kept(world)).toEqual([word]);
  });

  function attest(world: World, quoted: string, bootId: string): void {
    world.beat('n1', { clean: { epoch: quoted, bootId } });
  }

  it('not because another driver or another volume is in use', () => {
    const world = attested();
    const volumesInUse = [
      uniqueVolumeName(otherDriver, 'vol-web-0'),
      uniqueVolumeName(driver, 'vol-other'),
    ];
    world.changeNode('n1', { volumesInUse });
    world.attach('other', 'n1');
    expect(world.steps()).toEqual([released]);
  });

  it('until its kubelet has renewed since we saw the record', () => {
    const world = moved().back('n1', 'agent');
    world.pass(30_000);
    world.beat('n1', clean);
    expect(kept(world)).toEqual(['not-back']);
    world.renew('n1');
    expect(world.steps()).toEqual([released]);
  });

  it('until the attestation was renewed after we saw that all has moved', () => {
    const world = moved().back('n1');
    world.beat('n1', clean);
    world.pass(30_000);
    world.record('n1', ['web-0', 'logs'], { phase: 'Fenced' });
    world.pass(1_000);
    world.silent('n1', 'agent');
    const { annotations } = world.heartbeat('n1');
    expect(Object.values(annotations)).toContain(reportText(clean));
    world.record('n1', ['web-0', 'logs'], { phase: 'Moved' });
    expect(kept(world)).toEqual(['not-clean']);
    world.pass(1);
    world.beat('n1', clean);
    expect(world.steps()).toEqual([released]);
  });

  it('for all volumes of the driver when the record names none', () => {
    const world = attested([]);
    world.changeNode('n1', { volumesInUse: [uniqueVolumeName(otherDriver, 'x')] });
    expect(world.steps()).toEqual([released]);
    world.changeNode('n1', { volumesInUse: [uniqueVolumeName(driver, 'anything')] });
    expect(kept(world)).toEqual(['in-use']);
  });

  it('for all volumes of the driver when it was adopted, whatever it lists', () => {
    const world = adopted(attested());
    expect(world.steps()).toEqual([released]);
    world.changeNode('n1', { volumesInUse: [uniqueVolumeName(driver, 'anything')] });
    expect(kept(world)).toEqual(['in-use']);
  });

  it('but not for those of a new life of the machine, in which nothing is left', () => {
    const world = adopted(rebooted());
    world.changeNode('n1', { volumesInUse: [uniqueVolumeName(driver, 'anything')] });
    expect(world.steps()).toEqual([released]);
  });
});

describe('a node that booted again is kept', () => {
  it.each<[string, string, (world: World) => void]>([
    [
      'it only seems so, because nobody knew its boot id',
      'not-clean',
      (w) => w.record('n1', ['web-0'], { phase: 'Moved', bootId: '' }),
    ],
    ['its boot id is not known now', 'not-clean', (w) => w.changeNode('n1', { bootId: '' })],
    ['it is the same life', 'not-clean', (w) => w.changeNode('n1', { bootId: 'boot-n1' })],
    ['it is not ready', 'not-back', (w) => w.changeNode('n1', { ready: 'False' })],
    [
      'the volume is in use',
      'in-use',
      (w) => w.changeNode('n1', { volumesInUse: [uniqueVolumeName(driver, 'vol-web-0')] }),
    ],
  ])('while %s', (_, word, change) => {
    const world = rebooted();
    change(world);
    expect(world.steps()).not.toContain(released);
    expect(kept(world)).toEqual([word]);
  });
});

describe('a node settles before it is given back', () => {
  it('until no call of a former leader can still be on its way', () => {
    const world = attested();
    world.see({ kind: 'Leadership', leading: false, renewal: '' });
    world.see({ kind: 'Leadership', leading: true, renewal: '' });
    const until = world.now + 15_000;
    expect(kept(world)).toEqual(['settling']);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(until);
    expect(kept(world.pass(14_999))).toEqual(['settling']);
    expect(world.pass(1).steps()).toEqual([released]);
  });

  it('until 30 s after our out-of-service taint went', () => {
    const world = attested();
    world.outOfService('n1');
    world.untaint('n1', outOfServiceTaint);
    expect(kept(world)).toEqual(['settling']);
    expect(world.decide().wakeAt).toBeLessThanOrEqual(world.now + 30_000);
    expect(kept(world.pass(29_999))).toEqual(['settling']);
    expect(world.pass(1).steps()).toEqual([released]);
  });

  it('for as long when we do not know whether the taint has stood', () => {
    const world = moved().back('n1');
    world.renew('n1');
    world.beat('n1', clean);
    const seen = world.state.memory.get('n1')?.recordSeenAt ?? 0;
    expect(kept(world)).toEqual(['settling']);
    world.pass(seen + 29_999 - world.now);
    expect(kept(world)).toEqual(['settling']);
    expect(world.pass(1).steps()).toEqual([released]);
  });

  it('and people read why it is kept, once for each reason', () => {
    const world = moved();
    world.pass(30_000);
    const [notice] = world.notices('NodeKeptFenced');
    expect(notice).toMatchObject({ type: 'Normal', about: { kind: 'Node', name: 'n1' } });
    expect(notice?.note).toContain(`${releaseAnnotation}=${epoch}`);
  });
});
