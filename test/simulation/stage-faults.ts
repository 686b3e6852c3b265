/** What breaks in scenario files: machines, networks, replicas of ours, the API, the storage. */
import type { SourceName } from '../../src/controller-mode/facts.ts';
import type { HealthStatus } from '../../src/shared/health.ts';
import type { SimMachine } from './sim-machine.ts';
import type { Command, Stage } from './stage.ts';
import type { Words } from './stage-words.ts';

export const faultCommands: Readonly<Record<string, Command>> = {
  'power-off': (stage, words) => machineOf(stage, words).powerOff(words.forMs),
  freeze: (stage, words) => machineOf(stage, words).freeze(words.forMs),
  'kubelet-death': (stage, words) => machineOf(stage, words).killKubelet(words.forMs),
  /** It runs and answers, and nothing that it writes arrives, or nothing that it should read. */
  'kubelet-mute': (stage, words) => {
    const { machine } = machineOf(stage, words);
    until(stage, words, (on) => machine.mute(on));
  },
  'kubelet-deaf': (stage, words) => {
    const { machine } = machineOf(stage, words);
    until(stage, words, (on) => machine.deafen(on));
  },
  /** Its own word: the container runtime hangs, or something of the kind. */
  'not-ready': (stage, words) => {
    const { machine } = machineOf(stage, words);
    until(stage, words, (on) => (machine.ready = !on));
  },
  'storage-cut': (stage, words) => machineOf(stage, words).cutStorage(words.forMs),
  'bad-volumes': (stage, words) => tellOfVolumes(stage, words),
  'agent-death': (stage, words) =>
    machineOf(stage, words).killAgent(stage.instance.plan.name, words.forMs),
  'roll-agent': (stage, words) =>
    machineOf(stage, words).rollAgent(stage.instance.plan.name, words.forMs),
  'driver-silent': (stage, words) => sayOfDriver(stage, words, 'silent'),
  'driver-refuses': (stage, words) => sayOfDriver(stage, words, 'refused'),
  'new-node-id': (stage, words) => changeNodeId(stage, words),
  'cut-off': (stage, words) => {
    deafen(stage, words);
    stage.world.network.cut(machineOf(stage, words).party, 'api', words.forMs);
  },
  /** It is heard, and hears nothing. */
  deaf: (stage, words) => deafen(stage, words),
  'cut-off-leader': ({ world, leader: { party } }, { forMs }) => {
    world.network.cut(party, 'api', forMs);
    world.network.cut('api', party, forMs);
  },
  'crash-leader': (stage, words) => stage.leader.crash(words.forMs),
  'freeze-leader': (stage, words) => stage.leader.freeze(words.forMs),
  'break-watch': (stage, words) => {
    const until = stage.world.now + words.forMs;
    stage.leader.breakWatch(until, words.plain[0] as SourceName);
  },
  'driver-fails': (stage, words) =>
    until(stage, words, (on) => (stage.instance.array.fails = on ? 1 : 0)),
  'driver-hangs': (stage, words) => until(stage, words, (on) => (stage.instance.array.hangs = on)),
  'storage-says': (stage, words) => tellOfStorage(stage, words),
  'storage-out': (stage, words) =>
    until(stage, words, (on) => (stage.instance.array.managementIsOut = on)),
  'storage-unasked': (stage, words) =>
    until(stage, words, (on) => (stage.instance.array.isUnasked = on)),
  'storage-without-words': (stage, words) =>
    until(stage, words, (on) => (stage.instance.array.listsNoHealth = on)),
  'api-down': (stage, words) =>
    until(stage, words, (on) => (stage.world.api.state = on ? 'refusing' : 'up')),
  'no-quorum': (stage, words) =>
    until(stage, words, (on) => (stage.world.api.state = on ? 'without-quorum' : 'up')),
  /** `refuse patch pods/status`: a webhook, a policy or missing rights say no. */
  refuse: (stage, words) => {
    const [verb = '', what = ''] = words.plain;
    const [resource, subresource = ''] = what.split('/');
    until(stage, words, (on) => {
      stage.world.api.forbids = on
        ? (effect) =>
            effect.verb === verb &&
            effect.resource === resource &&
            ('subresource' in effect ? (effect.subresource ?? '') : '') === subresource
        : undefined;
    });
  },
};

function machineOf({ world }: Stage, { plain: [name = ''] }: Words): SimMachine {
  const machine = world.machine(name);
  if (machine === undefined) throw new Error(`no machine ${name}`);
  return machine;
}

function until({ world }: Stage, words: Words, set: (on: boolean) => void): void {
  set(true);
  world.timeline.later(words.forMs, () => set(false));
}

function sayOfDriver(stage: Stage, words: Words, word: 'silent' | 'refused'): void {
  machineOf(stage, words).driverSays(stage.instance.plan.name, word, words.forMs);
}

function deafen(stage: Stage, words: Words): void {
  stage.world.network.cut('api', machineOf(stage, words).party, words.forMs);
}

function changeNodeId(stage: Stage, words: Words): void {
  const machine = machineOf(stage, words);
  machine.changeNodeId(stage.instance.plan.name, `id-${machine.name}-new`);
  stage.world.store.delete('csinodes', { name: machine.name });
}

/** `bad-volumes a of=vol-data0-db-0 says=Degraded`; all, and `Inaccessible`, if nothing is said. */
function tellOfVolumes(stage: Stage, words: Words): void {
  const status = words.get('says') ?? 'Inaccessible';
  machineOf(stage, words).answersOfVolumes((handle) => {
    if (!isAbout(words, handle)) return undefined;
    if (status === 'nothing') return { kind: 'Refused', code: 'INTERNAL' };
    return { kind: 'Told', health: wordOf(status) };
  }, words.forMs);
}

/** `storage-says Inaccessible of=vol-data0-db-0`: the driver's controller, of one volume or all. */
function tellOfStorage(stage: Stage, words: Words): void {
  const { array } = stage.instance;
  const health = wordOf(words.plain[0] ?? '');
  until(stage, words, (on) => {
    if (on) array.lies({ about: (handle) => isAbout(words, handle), health });
    else array.lie = undefined;
  });
}

function isAbout(words: Words, handle: string): boolean {
  return words.get('of')?.split(',').includes(handle) ?? true;
}

function wordOf(status: string): { status: HealthStatus; reason: string; message: string } {
  return { status: status as HealthStatus, reason: '', message: '' };
}
