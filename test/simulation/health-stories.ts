/**
 * One trouble with volumes and nothing else, for every row of the table of scope that a world can
 * show (docs/evidence.md): which pods must then run elsewhere, or that nothing may be begun at all.
 */
import type { HealthStatus, VolumeHealth } from '../../src/shared/health.ts';
import { storageCondition } from '../../src/shared/names.ts';
import { isFinished } from '../model/conditions.ts';
import { csiVolumesOf } from '../model/csi-volumes.ts';
import type { Prng } from './prng.ts';
import type { SimArray } from './sim-array.ts';
import type { SimMachine } from './sim-machine.ts';
import type { WorkloadPlan } from './workloads.ts';
import type { World } from './world.ts';

/** 30 s of trouble, with what it takes to see, to ask, to end a pod in order and to start one. */
export const oneTroubleMs = 65_000;
/** Far more than a trouble has to last for anything to be begun. */
const stayMs = 80_000;
/** Where nothing may be begun it ends before all is healed and everybody knows better. */
const troubleMs = 66_000;
const briefMs = { low: 4_000, high: 20_000 } as const;

export interface Case {
  readonly world: World;
  readonly machine: SimMachine;
  readonly array: SimArray;
  readonly prng: Prng;
}

export interface HealthStory {
  readonly name: string;
  /** The drivers with which it can happen, by how their controller service tells health. */
  readonly with: readonly SimArray['kind']['health'][];
  /** Before anybody has asked anything. */
  readonly before?: (array: SimArray) => void;
  /** So long before it begins nobody asks the storage of his own accord any more. */
  readonly unaskedMs?: number;
  /** What it needs: these nodes, and two pods with one volume, beside what else runs. */
  readonly nodes?: readonly string[];
  readonly twins?: true;
  /** Two pods with a volume each, and nothing else. */
  readonly pair?: true;
  /** Until those who must move have moved. */
  readonly withinMs?: number;
  /** Answers of which volumes the users must move; undefined: nothing may be begun. */
  readonly begin: (what: Case) => readonly string[] | undefined;
}

const all = ['get', 'list', 'none'] as const;
const asked = ['get', 'list'] as const;

export const healthStories: readonly HealthStory[] = [
  {
    name: 'its way to the storage is gone',
    with: all,
    begin: ({ world, machine, array }) => {
      const handles = handlesOn(machine, array);
      tell(machine, 'Inaccessible', handles);
      return array.kind.health !== 'none' || othersSee(world, machine) ? handles : undefined;
    },
  },
  {
    name: 'one volume is out of its reach',
    with: all,
    begin: ({ world, machine, array, prng }) => {
      const handles = [prng.pick(handlesOn(machine, array))];
      tell(machine, 'Inaccessible', handles);
      return array.kind.health !== 'none' || othersSee(world, machine) ? handles : undefined;
    },
  },
  {
    name: 'listings of the storage are without a word, and it knows when it is asked',
    with: ['list'],
    before: (array) => {
      array.listsNoHealth = true;
    },
    begin: ({ machine, array }) => {
      tell(machine, 'Inaccessible', handlesOn(machine, array));
      return handlesOn(machine, array);
    },
  },
  {
    name: 'the storage is asked in vain until it matters',
    with: asked,
    before: (array) => {
      array.isPolledInVain = true;
    },
    begin: ({ machine, array }) => {
      tell(machine, 'Inaccessible', handlesOn(machine, array));
      return handlesOn(machine, array);
    },
  },
  {
    name: 'nobody has asked the storage for long',
    with: ['list'],
    unaskedMs: 190_000,
    begin: ({ machine, array }) => {
      tell(machine, 'Inaccessible', handlesOn(machine, array));
      return handlesOn(machine, array);
    },
  },
  {
    ...staying('another node has the same, too', all, ({ world, array, prng }) => {
      const [one, two] = world.machines.filter((each) =>
        handlesOn(each, array).includes(twinVolume),
      );
      if (one === undefined || two === undefined) return;
      tell(one, 'Inaccessible', [twinVolume]);
      // Who is left alone with it then has not had it for long enough.
      tell(two, 'Inaccessible', [twinVolume], prng.between(40_000, troubleMs));
    }),
    nodes: ['a', 'b', 'c', 'd', 'e', 'f'],
    twins: true,
  },
  staying('its data is lost or degraded', all, ({ machine, array, prng }) => {
    tell(machine, prng.pick<HealthStatus>(['DataLoss', 'Degraded']), handlesOn(machine, array));
  }),
  staying('it cannot tell', all, ({ machine }) => {
    machine.answersOfVolumes(() => refused, troubleMs);
  }),
  staying('the storage says the same of one volume', asked, ({ machine, array, prng }) => {
    const handle = prng.pick(handlesOn(machine, array));
    array.lies({ about: (one) => one === handle, health: word('Inaccessible') });
    tell(machine, 'Inaccessible', [handle]);
  }),
  staying('the storage says the same of all volumes', asked, ({ machine, array }) => {
    array.lies({ about: () => true, health: word('Inaccessible') });
    tell(machine, 'Inaccessible', handlesOn(machine, array));
  }),
  {
    name: 'all other nodes have the same',
    with: all,
    begin: ({ world, machine, array }) => {
      const users = world.machines.filter((one) => handlesOn(one, array).length > 0);
      for (const one of users) tell(one, 'Inaccessible', handlesOn(one, array));
      // Where the storage calls its volumes well, and no more nodes have any than may fail at once,
      // it is the same as if it were each node's own, but for what several of them use.
      if (array.kind.health === 'none' || users.length > boundOf(world)) return undefined;
      const others = users.filter((one) => one !== machine);
      const shared = new Set(others.flatMap((one) => handlesOn(one, array)));
      return handlesOn(machine, array).filter((handle) => !shared.has(handle));
    },
  },
  staying('it does not last', all, ({ world, machine, array, prng }) => {
    for (const afterMs of [0, 35_000]) {
      const ms = prng.between(briefMs.low, briefMs.high);
      world.timeline.later(afterMs, () =>
        tell(machine, 'Inaccessible', handlesOn(machine, array), ms),
      );
    }
  }),
  staying('the storage answers nobody', asked, ({ machine, array }) => {
    array.managementIsOut = true;
    tell(machine, 'Inaccessible', handlesOn(machine, array));
  }),
  {
    ...staying(
      'who else has volumes is not heard, and the storage tells nothing',
      ['none'],
      (of) => {
        const { world, machine, array } = of;
        const others = world.machines.filter((one) => handlesOn(one, array).length > 0);
        for (const one of others) if (one !== machine) one.killAgent(array.name, 2 * stayMs);
        // What it said before it fell silent is no view any more.
        world.run(15_000);
        tell(machine, 'Inaccessible', handlesOn(machine, array));
      },
    ),
    nodes: ['a', 'b', 'c', 'd'],
    pair: true,
  },
  staying('only its kubelet says so', all, ({ world, machine }) => {
    for (const pod of world.store.all('pods')) {
      if (pod.spec.nodeName !== machine.name || isFinished(pod)) continue;
      const conditions = [{ status: 'Inaccessible', reason: 'NoPath', message: '' }];
      const claims = (pod.spec.volumes ?? []).filter((one) => one.persistentVolumeClaim);
      const volumeHealth = claims.map(({ name }) => ({ name, healthConditions: conditions }));
      const { namespace, name } = pod.metadata;
      const body = { status: { volumeHealth } };
      world.store.patch('pods', { namespace, name }, body, { subresource: 'status' });
    }
  }),
  {
    ...staying(
      'the storage, which nobody could ask, comes back to it last',
      all,
      ({ world, machine, array, prng }) => {
        const others = world.machines.filter((one) => one !== machine);
        if (others.every((one) => handlesOn(one, array).length === 0)) return;
        // One call is answered with an error, the other with "abnormal" (driver-dialect.ts).
        const outMs = prng.between(38_000, 45_000);
        for (const one of others) one.answersOfVolumes(() => refused, outMs);
        tell(machine, 'Abnormal', handlesOn(machine, array), outMs + 20_000);
        array.managementIsOut = true;
        world.timeline.later(outMs, () => {
          array.managementIsOut = false;
        });
      },
    ),
    nodes: ['a', 'b', 'c'],
  },
  {
    name: 'its way to the storage is gone, and its driver falls silent in the middle of that',
    with: asked,
    withinMs: 120_000,
    begin: ({ world, machine, array }) => {
      const handles = handlesOn(machine, array);
      tell(machine, 'Inaccessible', handles, 130_000);
      const silence = (): void => {
        if (world.checkers.episodes > 0) machine.driverSays(array.name, 'silent', 25_000);
        else world.timeline.later(500, silence);
      };
      silence();
      return handles;
    },
  },
];

const refused = { kind: 'Refused', code: 'INTERNAL' } as const;

function staying(
  name: string,
  drivers: HealthStory['with'],
  begin: (what: Case) => void,
): HealthStory {
  return {
    name,
    with: drivers,
    begin: (what) => {
      begin(what);
      return undefined;
    },
  };
}

const twinVolume = 'vol-twins';

/** What runs in a story: what was drawn, and what it needs. */
export function workloadsOf(
  { twins, pair }: HealthStory,
  driver: string,
  drawn: readonly WorkloadPlan[],
): readonly WorkloadPlan[] {
  const two = { labelled: true, movable: true, replicas: 2 } as const;
  if (pair) return [{ ...two, kind: 'statefulsets', name: 'pair', drivers: [driver] }];
  if (twins === undefined) return drawn;
  const claim = { driver, claim: 'twins', shared: true };
  return [...drawn, { ...two, kind: 'deployments', name: 'twins', drivers: [], claim }];
}

/** Plays it on a node with something at stake; says by the checkers what came out wrong. */
export function playHealthStory(world: World, prng: Prng, story: HealthStory): void {
  const [array] = world.arrays.values();
  if (array !== undefined && story.unaskedMs !== undefined) {
    array.isUnasked = true;
    world.run(story.unaskedMs);
  }
  const busy = world.machines.filter(({ name }) => movableUsers(world, name).length > 0);
  if (array === undefined || busy.length === 0) return;
  const machine = prng.pick(busy);
  const before = movableUsers(world, machine.name);
  world.trace(`** ${story.name}: ${machine.name}`);
  const lost = story.begin({ world, machine, array, prng });
  world.run(lost === undefined ? stayMs : (story.withinMs ?? oneTroubleMs));
  if (lost === undefined) {
    if (world.checkers.episodes === 0) return;
    world.checkers.fail(`S2 an episode was begun although of ${machine.name} ${story.name}`);
    return;
  }
  // Nothing of it was over, whatever anybody did not hear.
  if (world.checkers.withdrawals > 0) {
    world.checkers.fail(`S6 withdrew the episode of ${machine.name}, although ${story.name}`);
  }
  if (lost.length > 1 && conditionOf(world, machine, array) !== 'False') {
    world.checkers.fail(`L0 ${machine.name} is not called bad, although ${story.name}`);
  }
  for (const { uid, name, handles } of before) {
    const stays = world.store
      .all('pods')
      .some((pod) => pod.metadata.uid === uid && pod.spec.nodeName === machine.name);
    if (!handles.some((handle) => lost.includes(handle))) {
      if (!stays) world.checkers.fail(`S3 ${name} was moved, and its volumes are well`);
    } else if (stays)
      world.checkers.fail(`L0 ${name} stays on ${machine.name}, although ${story.name}`);
  }
}

function conditionOf({ store }: World, { name }: SimMachine, array: SimArray): string | undefined {
  const type = storageCondition(array.name);
  return store.find('nodes', name)?.status?.conditions?.find((one) => one.type === type)?.status;
}

function movableUsers(
  world: World,
  node: string,
): readonly { readonly uid: string; readonly name: string; readonly handles: readonly string[] }[] {
  const movable = new Set(
    world.plan.workloads.filter((plan) => plan.movable).map(({ name }) => name),
  );
  return world.store.all('pods').flatMap((pod) => {
    const here = pod.spec.nodeName === node && !isFinished(pod);
    const handles = csiVolumesOf(world.store, pod).map(({ handle }) => handle);
    if (!here || !movable.has(pod.metadata.labels?.app ?? '') || handles.length === 0) return [];
    return [{ uid: pod.metadata.uid, name: pod.metadata.name, handles }];
  });
}

function handlesOn({ machine }: SimMachine, { name }: SimArray): readonly string[] {
  const own = machine.machine.published.filter(({ driver }) => driver === name);
  return [...new Set(own.map(({ handle }) => handle))];
}

/** --max-lost-nodes, as the README has it. */
function boundOf({ machines }: World): number {
  return Math.max(1, Math.round(machines.length * 0.3));
}

/** What nothing of the driver's own vouches for needs another node that sees it work. */
function othersSee(world: World, machine: SimMachine): boolean {
  return world.machines.some(
    (other) => other !== machine && other.machine.machine.published.length > 0,
  );
}

function tell(
  machine: SimMachine,
  status: HealthStatus,
  handles: readonly string[],
  durationMs = troubleMs,
): void {
  const answer = { kind: 'Told', health: word(status) } as const;
  machine.answersOfVolumes((one) => (handles.includes(one) ? answer : undefined), durationMs);
}

function word(status: HealthStatus): VolumeHealth {
  return { status, reason: '', message: '' };
}
