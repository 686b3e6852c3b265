/** The commands of scenario files, on a world without chance: the same story every time. */
import { verdictOf } from '../../src/controller-mode/verdict.ts';
import {
  heartbeatLease,
  pausedAnnotation,
  policyAnnotation,
  releaseAnnotation,
  switchConfigMap,
} from '../../src/shared/names.ts';
import type { JsonObject } from '../../src/shared/effect.ts';
import { isFinished } from '../model/conditions.ts';
import { recordOf } from './conduct.ts';
import {
  type DriverPlan,
  detachedDriver,
  listingDriver,
  openDriver,
  plainDriver,
  strangeDriver,
} from './drivers.ts';
import type { Party } from './network.ts';
import { Prng } from './prng.ts';
import type { Replica } from './replica.ts';
import type { SimMachine } from './sim-machine.ts';
import { milliseconds, Words } from './words.ts';
import { place, type WorkloadPlan } from './workloads.ts';
import { type Instance, World } from './world.ts';

const drivers: Readonly<Record<string, DriverPlan>> = {
  plain: plainDriver,
  listing: listingDriver,
  open: openDriver,
  shared: detachedDriver,
  strange: strangeDriver,
};

type Command = (words: Words) => readonly string[] | void;

export class Stage {
  #world: World | undefined;
  #workloads: WorkloadPlan[] = [];
  #nodes: readonly string[] = [];
  readonly #commands: Readonly<Record<string, Command>> = {
    cluster: (words) => this.#build(words),
    set: (words) => this.#addSet(words),
    app: (words) => this.#addApp(words),
    run: (words) => this.#run(words),
    'power-off': (words) => this.#machine(words).powerOff(this.#for(words)),
    freeze: (words) => this.#machine(words).freeze(this.#for(words)),
    'kubelet-death': (words) => this.#machine(words).killKubelet(this.#for(words)),
    'storage-cut': (words) => this.#machine(words).cutStorage(this.#for(words)),
    'bad-volumes': (words) => this.#machine(words).lieAboutHealth(() => true, this.#for(words)),
    'agent-death': (words) => this.#machine(words).killAgent(this.#driver, this.#for(words)),
    'roll-agent': (words) => this.#machine(words).rollAgent(this.#driver, this.#for(words)),
    'driver-silent': (words) =>
      this.#machine(words).driverSays(this.#driver, 'silent', this.#for(words)),
    'cut-off': (words) => this.#cutOff(this.#machine(words).party, words),
    'crash-leader': (words) => this.#leader.crash(this.#for(words)),
    'kill-leader': (words) => this.#killAt(words),
    'driver-fails': (words) => this.#until(words, (on) => (this.#array.fails = on ? 1 : 0)),
    'driver-hangs': (words) => this.#until(words, (on) => (this.#array.hangs = on)),
    'api-down': (words) =>
      this.#until(words, (on) => (this.world.api.state = on ? 'refusing' : 'up')),
    'no-quorum': (words) =>
      this.#until(words, (on) => (this.world.api.state = on ? 'without-quorum' : 'up')),
    'keep-pods': (words) => this.#until(words, (on) => (this.world.api.keepsPods = on)),
    'cut-off-leader': (words) => this.#cutOff(this.#leader.party, words),
    'delete-node': ({ plain: [name = ''] }) => void this.world.store.delete('nodes', { name }),
    'delete-pod': ({ plain: [name = ''] }) =>
      void this.world.store.delete('pods', { namespace: 'default', name }),
    'keep-pod': ({ plain: [name = ''] }) =>
      void this.world.store.patch('pods', { namespace: 'default', name }, { metadata: keeping }),
    'delete-lease': ({ plain: [name = ''] }) =>
      void this.world.store.delete('leases', {
        namespace: 'default',
        name: `${this.#driver}.${name}`,
      }),
    'new-node-id': (words) => this.#newNodeId(words),
    twin: ({ plain: [name = ''] }) => this.#twin(name),
    cordon: ({ plain: [name = ''] }) => this.#cordon(name, true),
    taint: (words) => this.#taint(words),
    release: ({ plain: [name = ''] }) => this.#release(name),
    pause: (words) => this.#pause(words),
    leaders: () => this.#leaders(),
    verdicts: () => this.#verdicts(),
    why: () => this.#why(),
    records: () => this.#records(),
    pods: () => this.#pods(),
    'every-request': () => this.#everyRequest(),
  };

  command(line: string): readonly string[] {
    const [name = '', ...rest] = line.split(/\s+/);
    const command = this.#commands[name];
    if (command === undefined) throw new Error(`no such command: ${line}`);
    const before = this.#world;
    const from = before?.lines?.length ?? 0;
    const said = command(new Words(rest)) ?? [];
    const told = this.#world === before ? (before?.lines?.slice(from) ?? []) : [];
    return [...told.filter(isStory), ...said];
  }

  /** The world as it is now. */
  get world(): World {
    if (this.#world === undefined) throw new Error('a scenario begins with `cluster`');
    return this.#world;
  }

  get #instance(): Instance {
    const [instance] = this.world.instances;
    if (instance === undefined) throw new Error('no instance of ours runs here');
    return instance;
  }

  get #driver(): string {
    return this.#instance.plan.name;
  }

  get #array(): Instance['array'] {
    return this.#instance.array;
  }

  get #leader(): Replica {
    const { replicas } = this.#instance;
    const leader = replicas.find(({ isLeading }) => isLeading) ?? replicas[0];
    if (leader === undefined) throw new Error('no replica');
    return leader;
  }

  #machine({ plain: [name = ''] }: Words): SimMachine {
    const machine = this.world.machine(name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  /** `for=30s`; for good, if it is not said. */
  #for(words: Words): number {
    return milliseconds(words.get('for') ?? '100000s');
  }

  #until(words: Words, set: (on: boolean) => void): void {
    set(true);
    this.world.timeline.later(this.#for(words), () => set(false));
  }

  #build(words: Words): void {
    this.#nodes = (words.get('nodes') ?? 'a,b,c').split(',');
    const named = (words.get('drivers') ?? 'plain').split(',');
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
        policy: { dryRun: words.has('dry-run') },
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

  /** A Deployment of one pod with a claim that others may share; `at=a` names the pod's node. */
  #addApp(words: Words): void {
    const { plain } = words;
    const [pinnedTo, at] = [words.get('pinned'), words.get('at')];
    const driver = (drivers[words.get('driver') ?? 'plain'] ?? plainDriver).name;
    const claim = { driver, claim: words.get('claim') ?? `data-${plain[0]}`, shared: true };
    this.#add(words, {
      kind: words.has('daemon') ? 'daemon' : words.has('bare') ? 'bare' : 'deployments',
      name: plain[0] ?? '',
      replicas: 1,
      labelled: !words.has('unlabelled'),
      movable: true,
      drivers: [],
      claim: pinnedTo === undefined ? claim : { ...claim, pinnedTo },
      ...(at === undefined ? {} : { podSpec: { nodeName: at } }),
    });
  }

  #add(words: Words, plan: WorkloadPlan): void {
    const node = words.get('on');
    this.#workloads.push(plan);
    if (node !== undefined) for (const name of this.#nodes) this.#cordon(name, name !== node);
    place(this.world.store, [plan]);
    this.world.run(2_000);
    if (node !== undefined) for (const name of this.#nodes) this.#cordon(name, false);
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

  #cutOff(party: Party, words: Words): void {
    const ms = this.#for(words);
    this.world.network.cut(party, 'api', ms);
    this.world.network.cut('api', party, ms);
  }

  /** `kill-leader at=3 before`: counted from the next request on that changes something. */
  #killAt(words: Words): void {
    const { checkers } = this.world;
    const when = words.has('before') ? 'before' : 'after';
    checkers.killAt = { write: checkers.writes + Number(words.get('at') ?? 1), when };
  }

  #newNodeId(words: Words): void {
    const machine = this.#machine(words);
    machine.changeNodeId(this.#driver, `id-${machine.name}-new`);
    this.world.store.delete('csinodes', { name: machine.name });
  }

  /** Another machine that goes by the same name renews the heartbeat, once. */
  #twin(name: string): void {
    const { store } = this.world;
    const place = { namespace: 'default', name: heartbeatLease(this.#driver, name) };
    const spec = { holderIdentity: `${name}/twin`, renewTime: store.microTimestamp() };
    store.patch('leases', place, { spec });
  }

  #cordon(name: string, unschedulable: boolean): void {
    const body = { spec: { unschedulable: unschedulable ? true : null } };
    this.world.store.patch('nodes', { name }, body);
  }

  /** `taint a key=value:effect` of somebody else. */
  #taint({ plain: [name = '', key = '', value = ''] }: Words): void {
    const { store } = this.world;
    const taints = store.find('nodes', name)?.spec?.taints ?? [];
    const taint = { key, effect: 'NoSchedule', ...(value === '' ? {} : { value }) };
    store.patch('nodes', { name }, { spec: { taints: [...taints, taint] } });
  }

  #release(name: string): void {
    const epoch = recordOf(this.world, this.#driver, name)?.epoch ?? '';
    const annotations = { [releaseAnnotation]: epoch };
    this.world.store.patch('nodes', { name }, { metadata: { annotations } });
  }

  /** `pause` and `pause off` for all, or `pause a` for a node. */
  #pause({ plain: [what] }: Words): void {
    const { store } = this.world;
    const metadata = { namespace: 'default', name: switchConfigMap };
    if (what === undefined) store.create('configmaps', { metadata, data: { paused: 'true' } });
    else if (what === 'off') store.delete('configmaps', metadata);
    else {
      const annotations = { [pausedAnnotation]: 'true' };
      store.patch('nodes', { name: what }, { metadata: { annotations } });
    }
  }

  #leaders(): readonly string[] {
    return this.#instance.replicas.map(
      ({ options, isLeading }) =>
        `replica ${options.name} ${isLeading ? 'leads' : 'does not lead'}`,
    );
  }

  #verdicts(): readonly string[] {
    const { state, clock } = this.#leader;
    return this.#nodes.map((name) => {
      const { kind, reason } = verdictOf(state, name, clock.now);
      return `${name}: ${kind} (${reason})`;
    });
  }

  /** What the leader tells people now. */
  #why(): readonly string[] {
    return this.#leader.notices.map(({ about, reason, note }) => {
      const what = `${about.kind} ${about.name}`;
      return `${what}: ${reason}: ${note.replaceAll(/(Epoch |release=)\d+/g, '$1...')}`;
    });
  }

  #records(): readonly string[] {
    return this.#nodes.flatMap((name) => {
      const record = recordOf(this.world, this.#driver, name);
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

  /**
   * A machine with one pod dies; the leader dies at one request, in a world of its own for each of
   * them, before the request is carried out and after. Tells when the pod runs again.
   */
  #everyRequest(): readonly string[] {
    const undisturbed = oneFailover(undefined);
    const words = undisturbed.words.map((word, i) => {
      const ends = (['before', 'after'] as const).map((when) => {
        const { runsAfterMs, released, broken } = oneFailover({ write: i + 1, when });
        const said = runsAfterMs === undefined ? 'never' : `${(runsAfterMs / 1000).toFixed(1)} s`;
        return `${when}: ${said}${released ? '' : ', not released'}${broken.map((one) => ` !! ${one}`).join('')}`;
      });
      return `${String(i + 1).padStart(2)} ${word.padEnd(36)} killed ${ends.join('   ')}`;
    });
    const ms = undisturbed.runsAfterMs ?? 0;
    return [`undisturbed: ${(ms / 1000).toFixed(1)} s`, ...words];
  }
}

function oneFailover(kill: { write: number; when: 'before' | 'after' } | undefined): {
  readonly words: readonly string[];
  readonly runsAfterMs: number | undefined;
  readonly released: boolean;
  readonly broken: readonly string[];
} {
  const stage = new Stage();
  for (const line of ['cluster nodes=a,b,c', 'set db on=a', 'run 20s', 'power-off a for=60s']) {
    stage.command(line);
  }
  const { world } = stage;
  world.checkers.killAt = kill;
  const from = world.lines?.length ?? 0;
  const diedAt = world.now;
  let runsAfterMs: number | undefined;
  world.run(240_000, () => {
    const pod = world.store.find('pods', 'db-0', 'default');
    const runs = pod?.status?.phase === 'Running' && pod.spec.nodeName !== 'a';
    if (runs) runsAfterMs ??= world.now - diedAt;
    return runs && world.checkers.missing().length === 0;
  });
  const words = (world.lines ?? [])
    .slice(from)
    .flatMap((line) => /(?:one|two): (\w+) a, (\w+ \w+)$/.exec(line)?.slice(1).join(' ') ?? []);
  const released = world.checkers.missing().length === 0;
  return { words, runsAfterMs, released, broken: world.checkers.violations };
}

const keeping = { finalizers: ['example.com/keep'] };

/** What an operator would see; not what each request came to. */
function isStory(line: string): boolean {
  return !/^.{6} {5}/.test(line);
}
