/** The commands of scenario files, on a world without chance: the same story every time. */
import type { Policy } from '../../src/controller-mode/policy.ts';
import { verdictOf } from '../../src/controller-mode/verdict.ts';
import { policyAnnotation } from '../../src/shared/names.ts';
import type { JsonObject } from '../../src/shared/effect.ts';
import { isFinished } from '../model/conditions.ts';
import { recordOf } from './fence-records.ts';
import {
  type DriverPlan,
  detachedDriver,
  lateDriver,
  listingDriver,
  openDriver,
  plainDriver,
  strangeDriver,
} from './drivers.ts';
import { everyRequest } from './interruptions.ts';
import { Prng } from './prng.ts';
import type { Replica } from './replica.ts';
import { faultCommands } from './stage-faults.ts';
import { cordon, peopleCommands } from './stage-people.ts';
import { milliseconds, Words } from './stage-words.ts';
import { place, type WorkloadPlan } from './workloads.ts';
import { type Instance, World } from './world.ts';

/** Does something to the world, and may answer what to write down. */
export type Command = (stage: Stage, words: Words) => readonly string[] | void;

/** Its pods move with nothing to stop the old writers, because a person insists. */
const unsafeDriver: DriverPlan = {
  ...detachedDriver,
  name: 'unsafe.csi.test',
  fence: { kind: 'unsafe' },
};

const drivers: Readonly<Record<string, DriverPlan>> = {
  plain: plainDriver,
  listing: listingDriver,
  /** Its controller service tells nothing of the health of volumes. */
  untold: {
    ...lateDriver,
    name: 'untold.csi.test',
    array: { ...plainDriver.array, health: 'none' },
  },
  open: openDriver,
  shared: detachedDriver,
  unsafe: unsafeDriver,
  strange: strangeDriver,
};

export class Stage {
  #world: World | undefined;
  #workloads: WorkloadPlan[] = [];
  #nodes: readonly string[] = [];
  readonly #commands: Readonly<Record<string, Command>> = {
    ...faultCommands,
    ...peopleCommands,
    cluster: (_stage, words) => this.#build(words),
    set: (_stage, words) => this.#addSet(words),
    app: (_stage, words) => this.#addApp(words),
    run: (_stage, words) => this.#run(words),
    verdicts: () => this.#verdicts(),
    why: () => this.#why(),
    records: () => this.#records(),
    pods: () => this.#pods(),
    leaders: () => this.#leaders(),
    'every-request': (_stage, words) => everyRequest(words, () => new Stage()),
  };

  command(line: string): readonly string[] {
    const words = new Words(line);
    const command = this.#commands[words.name];
    if (command === undefined) throw new Error(`no such command: ${line}`);
    const before = this.#world;
    const from = before?.lines?.length ?? 0;
    const said = command(this, words) ?? [];
    const told = this.#world === before ? (before?.lines?.slice(from) ?? []) : [];
    return [...told.filter(isStory), ...said];
  }

  /** The world as it is now. */
  get world(): World {
    if (this.#world === undefined) throw new Error('a scenario begins with `cluster`');
    return this.#world;
  }

  /** Beside the first driver. */
  get instance(): Instance {
    const [instance] = this.world.instances;
    if (instance === undefined) throw new Error('no instance of ours runs here');
    return instance;
  }

  get leader(): Replica {
    const { replicas } = this.instance;
    const leader = replicas.find(({ isLeading }) => isLeading) ?? replicas[0];
    if (leader === undefined) throw new Error('no replica');
    return leader;
  }

  #build(words: Words): void {
    this.#nodes = (words.get('nodes') ?? 'a,b,c').split(',');
    const named = (words.get('drivers') ?? 'plain').split(',');
    const policy: Partial<Policy> = {
      dryRun: words.has('dry-run'),
      namespaces: words.get('namespaces')?.split(',') ?? [],
    };
    this.#workloads = [];
    this.#world = new World(
      {
        nodes: this.#nodes,
        drivers: named.map((name) => drivers[name] ?? plainDriver),
        workloads: this.#workloads,
        latency: { lowMs: 0, highMs: 0 },
        watchLagMs: 100,
        dawdles: 0,
        clockError: 0,
        policy,
      },
      new Prng(1),
      { keepLines: true },
    );
    this.#world.run(1_000);
  }

  /** A StatefulSet; `on=a` puts its pods there. */
  #addSet(words: Words): void {
    const { plain } = words;
    const named = (words.get('drivers') ?? words.get('driver') ?? 'plain').split(',');
    const policy = words.get('policy');
    const nfs = [{ name: 'nfs', nfs: { server: 'filer', path: '/' } }];
    const podSpec: JsonObject = {
      ...(words.has('tolerant') ? { tolerations: [{ operator: 'Exists' }] } : {}),
      ...(words.has('nfs') ? { volumes: nfs } : {}),
    };
    this.#add(words, {
      kind: 'statefulsets',
      name: plain[0] ?? '',
      replicas: Number(words.get('replicas') ?? 1),
      labelled: !words.has('unlabelled'),
      movable: true,
      drivers: named.map((name) => (drivers[name] ?? plainDriver).name),
      podSpec,
      ...(policy === undefined ? {} : { annotations: { [policyAnnotation]: policy } }),
    });
  }

  /** A Deployment, of one pod if nothing else is said, with a claim that others may share. */
  #addApp(words: Words): void {
    const { plain } = words;
    const pinnedTo = words.get('pinned');
    const boundTo = words.get('bound');
    const driver = (drivers[words.get('driver') ?? 'plain'] ?? plainDriver).name;
    const claim = { driver, claim: words.get('claim') ?? `data-${plain[0]}`, shared: true };
    this.#add(words, {
      kind: words.has('daemon') ? 'daemon' : words.has('bare') ? 'bare' : 'deployments',
      name: plain[0] ?? '',
      replicas: Number(words.get('replicas') ?? 1),
      labelled: !words.has('unlabelled'),
      movable: true,
      drivers: [],
      claim: pinnedTo === undefined ? claim : { ...claim, pinnedTo },
      ...(boundTo === undefined ? {} : { podSpec: { nodeName: boundTo } }),
    });
  }

  #add(words: Words, plan: WorkloadPlan): void {
    const node = words.get('on');
    this.#workloads.push(plan);
    if (node !== undefined) for (const name of this.#nodes) cordon(this, name, name !== node);
    place(this.world.store, [plan]);
    this.world.run(2_000);
    if (node !== undefined) for (const name of this.#nodes) cordon(this, name, false);
  }

  /** `run 20s`, or `run 60s until=Released`: until a sentence with this word was told. */
  #run(words: Words): void {
    const world = this.world;
    const until = words.get('until')?.replaceAll('_', ' ');
    const from = world.lines?.length ?? 0;
    world.run(milliseconds(words.plain[0] ?? ''), () => {
      return (
        until !== undefined && (world.lines ?? []).slice(from).some((one) => one.includes(until))
      );
    });
  }

  #verdicts(): readonly string[] {
    const { state, clock } = this.leader;
    return this.#nodes.map((name) => {
      const { kind, reason } = verdictOf(state, name, clock.now);
      return `${name}: ${kind} (${reason})`;
    });
  }

  /** What the leader tells people now. */
  #why(): readonly string[] {
    return this.leader.notices.map(({ about, reason, note }) => {
      const what = `${about.kind} ${about.name}`;
      return `${what}: ${reason}: ${note.replaceAll(/(Epoch |release=)[\w-]+/g, '$1...')}`;
    });
  }

  #records(): readonly string[] {
    const { instance } = this;
    return this.#nodes.flatMap((name) => {
      const record = recordOf(this.world, instance.plan.name, name);
      if (record === undefined) return [];
      return [`${name}: ${record.phase}, ${record.volumes.map(({ pv }) => pv).join(' ')}`];
    });
  }

  #pods(): readonly string[] {
    return this.world.store
      .all('pods')
      .filter((pod) => !isFinished(pod))
      .map(({ metadata, spec, status }) => {
        const leaving = metadata.deletionTimestamp === undefined ? '' : ', being deleted';
        return `${metadata.name} on ${spec.nodeName ?? 'no node'}: ${status?.phase}${leaving}`;
      });
  }

  /** Who leads, and what each of them wants to tell people. */
  #leaders(): readonly string[] {
    return this.instance.replicas.map(({ options, state, notices }) => {
      const word = state.leading ? 'leads' : 'not-leader';
      return `${options.name}: ${word}: tells ${notices.length} things`;
    });
  }
}

/** What an operator would see; not what each request came to. */
function isStory(line: string): boolean {
  return !/^.{6} {5}/.test(line);
}
