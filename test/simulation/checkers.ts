/**
 * What must never happen (safety, after every step) and what must have happened in the end
 * (liveness, after everything is healed). They look at the model's truth, never at the core.
 */
import type { Action } from '../../src/controller-mode/actions.ts';
import { isWrite } from '../../src/controller-mode/perform.ts';
import { staleView } from '../../src/controller-mode/freshness.ts';
import {
  fenceAnnotation,
  holdFinalizer,
  outOfServiceTaint,
  storageCondition,
} from '../../src/shared/names.ts';
import type { AnyObject, VolumeAttachment } from '../model/objects.ts';
import { type CsiVolume, csiVolumeOfPv, csiVolumesOf } from '../model/csi-volumes.ts';
import { misdeeds } from './conduct.ts';
import { recordIn } from './fence-records.ts';
import { hastyBeginnings } from './haste.ts';
import { LeaseHistory } from './lease-history.ts';
import { objection, releaseObjection, withdrawalObjection } from './oracle.ts';
import { die, goOn, type Interruption } from './interruption.ts';
import { Repetitions } from './repetitions.ts';
import type { Replica, Running, Witness } from './replica.ts';
import type { KubernetesReply } from './requests.ts';
import type { Instance, World } from './world.ts';
import { Writers } from './writers.ts';

/** A record that does not change for so long must be accompanied by a word to people. */
const silentRecordMs = 90_000;
/** How long a leader must have been able to do what it wants before it is blamed. */
const ableMs = 30_000;
/** Whoever tries is not silent: one that lost a race backs off for up to 10 s. */
const attemptMs = 15_000;
/** How long our out-of-service taint may stand, with what it takes to see and to remove it. */
const outOfServiceMs = 5_000 + 6_000;

export class Checkers {
  readonly violations: string[] = [];
  readonly writers: Writers;
  readonly witness: Witness;
  readonly leases: LeaseHistory;
  /** Requests that changed something or tried to, so far. */
  writes = 0;
  episodes = 0;
  moves = 0;
  /** Episodes that were taken back. */
  withdrawals = 0;
  /** What befalls whoever sends the request of this number. */
  killAt: Interruption | undefined;
  /** What happens in the moment in which an action is begun. */
  meanwhile: ((replica: Replica, action: Action) => void) | undefined;
  readonly #world: World;
  readonly #bornAt = new Map<string, number>();
  readonly #decidedAt = new WeakMap<Action, number>();
  readonly #kubeletReadAt = new WeakMap<Action, number>();
  readonly #nodeRead = new WeakMap<Action, AnyObject>();
  readonly #records = new Map<string, { text: string; since: number }>();
  readonly #ableSince = new Map<Replica, number>();
  readonly #repetitions = new Repetitions();
  /** By replica and node: when it last began anything there. */
  readonly #begunAt = new Map<string, number>();
  readonly #outOfServiceSince = new Map<string, number>();
  /** By uid of the VolumeAttachment: what we have asked to take away and was not yet. */
  readonly #unrevoked = new Map<
    string,
    { readonly node: string; readonly volume: CsiVolume; readonly pods: readonly string[] }
  >();
  #lookAt = 0;

  constructor(world: World) {
    this.#world = world;
    const { store } = world;
    this.writers = new Writers({
      store,
      isSlotted: (app) => {
        const plan = world.plan.workloads.find(({ name }) => name === app);
        return plan === undefined || plan.replicas === 1;
      },
      fail: (what) => this.fail(what),
    });
    this.leases = new LeaseHistory(world);
    store.subscribe(({ type, object }) => {
      if (type === 'ADDED') this.#bornAt.set(object.metadata.uid, world.now);
    });
    this.witness = {
      begun: (replica, action) => {
        this.#failIf(this.#repetitions.begun(replica, action, world.now));
        this.#begunAt.set(`${replica.party} ${action.node}`, world.now);
        this.#decidedAt.set(action, world.now);
        this.meanwhile?.(replica, action);
        const why = objection(replica, action);
        if (why !== undefined) this.fail(`S3 ${why}`);
        const hasty = withdrawalObjection(replica, action);
        if (hasty !== undefined) this.fail(`S6 ${hasty}`);
        const unclean = releaseObjection(replica, action);
        if (unclean !== undefined) this.fail(`S8 ${unclean}`);
        for (const one of hastyBeginnings(world, replica, action)) this.fail(one);
      },
      around: (replica, running, execute) => this.#around(replica, running, execute),
      settled: (replica, action, outcome) => {
        const word = outcome.kind === 'Done' ? 'done' : `${outcome.kind} ${outcome.code}`;
        world.trace(`    ${nameOf(replica)}: ${action.kind} ${action.node} ${word}`);
        if (outcome.kind === 'Done') {
          this.#failIf(this.#repetitions.done(replica, action, world.now));
        }
      },
    };
  }

  ageOf(uid: string): number {
    return this.#world.now - (this.#bornAt.get(uid) ?? 0);
  }

  /** After every step; what takes long to go wrong is looked at once a second. */
  step(): void {
    const { now, instances } = this.#world;
    if (now < this.#lookAt) return;
    this.#lookAt = now + 1_000;
    this.#lookForRevoked();
    for (const instance of instances) {
      const leader = this.#ableLeader(instance);
      this.#checkSilence(instance, leader);
      this.#checkOutOfService(instance, leader);
    }
  }

  /** L1: every pod runs. L2: nothing of ours is left. Answers what is still missing. */
  missing(): readonly string[] {
    return [...this.#missingPods(), ...this.#leftOvers()];
  }

  #failIf(what: string | undefined): void {
    if (what !== undefined) this.fail(what);
  }

  fail(what: string): void {
    if (!this.violations.includes(what)) this.violations.push(what);
    this.#world.trace(`!! ${what}`);
  }

  #around(
    replica: Replica,
    { action, effect }: Running,
    execute: () => KubernetesReply,
  ): KubernetesReply | undefined {
    if (effect.target !== 'kubernetes') return execute();
    if (!isWrite(effect)) {
      if (effect.namespace === 'kube-node-lease') {
        this.#kubeletReadAt.set(action, this.#world.now);
      }
      const node = effect.resource === 'nodes' ? this.#find(effect) : undefined;
      if (node !== undefined) this.#nodeRead.set(action, node);
      return execute();
    }
    this.writes += 1;
    const { when, how = die } = this.writes === this.killAt?.write ? this.killAt : goOn;
    if (when === 'before' && !how(replica)) return undefined;
    const before = this.#find(effect);
    this.#world.trace(
      `  ${nameOf(replica)}: ${action.kind} ${action.node}, ${effect.verb} ${effect.resource}`,
    );
    const reply = execute();
    const after = this.#find(effect);
    if (after !== before) {
      const decidedAt = this.#decidedAt.get(action) ?? this.#world.now;
      const kubeletReadAt = this.#kubeletReadAt.get(action);
      const nodeRead = this.#nodeRead.get(action);
      const deed = { replica, action, decidedAt, effect, before, after, kubeletReadAt, nodeRead };
      this.#count(action, before, after);
      for (const misdeed of misdeeds(this.#world, deed)) this.fail(misdeed);
    }
    return when !== 'after' || how(replica) ? reply : undefined;
  }

  #find(effect: { resource: string; name: string; namespace: string }): AnyObject | undefined {
    const { resource, name, namespace } = effect;
    return this.#world.store.find(resource as 'pods', name, namespace);
  }

  #count(action: Action, before: AnyObject | undefined, after: AnyObject | undefined): void {
    if (action.kind === 'BeginEpisode') this.episodes += 1;
    if (action.kind === 'UpdateRecord' && action.record.reason === 'withdrawn') {
      this.withdrawals += 1;
    }
    if (action.kind === 'Evict' && before !== undefined) {
      this.writers.movedByUs(before.metadata.uid);
      if (after === undefined) this.moves += 1;
    }
    if (action.kind === 'EndPod' && before !== undefined) {
      this.writers.movedByUs(before.metadata.uid);
    }
    if (action.kind === 'Hold' && before !== undefined) {
      this.#countHold(before as VolumeAttachment);
    }
  }

  /**
   * Where one node only may have the volume, Kubernetes lets nobody else in before we took it away,
   * so whatever follows has us in it. One that many may have it attaches elsewhere as soon as
   * anybody deletes the pod, hold or none, and any one after the Node was deleted: PodGC ends its
   * pods, and attach/detach, begun anew, knows nothing of it. There our part begins when the storage
   * has revoked, from when on nothing of ours may give it back.
   */
  #countHold({ metadata, spec }: VolumeAttachment): void {
    const { store } = this.#world;
    const pv = spec.source.persistentVolumeName ?? '';
    const volume = csiVolumeOfPv(store, pv);
    const users = store.all('pods').filter((pod) => {
      const here = pod.spec.nodeName === spec.nodeName;
      return here && csiVolumesOf(store, pod).some((one) => one.pv === pv);
    });
    const uids = users.map((pod) => pod.metadata.uid);
    if (volume?.shared !== true) for (const uid of uids) this.writers.heldByUs(uid);
    if (volume === undefined) return;
    this.#unrevoked.set(metadata.uid, { node: spec.nodeName, volume, pods: uids });
  }

  #lookForRevoked(): void {
    for (const [uid, { node, volume, pods }] of this.#unrevoked) {
      const machine = this.#world.machine(node);
      const { driver, handle } = volume;
      if (machine === undefined || !this.#world.isLetIn(machine, driver, handle)) {
        for (const pod of pods) this.writers.movedByUs(pod);
        this.#unrevoked.delete(uid);
      } else if (this.#world.store.find('nodes', node) === undefined) {
        for (const pod of pods) this.writers.notHeld(pod);
      }
    }
  }

  /** A leader that sees and reaches everything, and has for a while. */
  #ableLeader({ replicas }: Instance): Replica | undefined {
    const { now, api, network } = this.#world;
    let able: Replica | undefined;
    for (const replica of replicas) {
      const { party, state, clock } = replica;
      const troubled =
        api.state !== 'up' ||
        api.throttles > 0 ||
        api.losesReplies > 0 ||
        network.isCut(party, 'api') ||
        network.isCut('api', party) ||
        network.isSlow(party, 'api') ||
        network.isSlow('api', party);
      const sees = replica.isUp && state.leading && staleView(state, clock.now) === undefined;
      if (troubled || !sees || !replica.isLeading) this.#ableSince.delete(replica);
      else if (!this.#ableSince.has(replica)) this.#ableSince.set(replica, now);
      if (now - (this.#ableSince.get(replica) ?? now) >= ableMs) able = replica;
    }
    return able;
  }

  /** S6: every episode goes on, or people are told what it waits for. */
  #checkSilence({ heartbeats }: Instance, leader: Replica | undefined): void {
    const { now, store } = this.#world;
    for (const [name, leaseName] of heartbeats) {
      const lease = store.find('leases', leaseName, 'default');
      const text = lease?.metadata.annotations?.[fenceAnnotation] ?? '';
      const known = this.#records.get(leaseName);
      if (known?.text !== text) this.#records.set(leaseName, { text, since: now });
      else if (text !== '' && leader !== undefined && now - known.since > silentRecordMs) {
        const begunAt = this.#begunAt.get(`${leader.party} ${name}`) ?? Number.NEGATIVE_INFINITY;
        if (now - begunAt < attemptMs) continue;
        const told = leader.notices.some(
          ({ about, note }) => about.name === name || note.includes(`node ${name}`),
        );
        if (!told) this.fail(`S6 the record of ${name} stands, and nobody is told why`);
      }
    }
  }

  /** S5: our out-of-service taint is short, as long as anybody can take it off. */
  #checkOutOfService({ plan, outOfService }: Instance, leader: Replica | undefined): void {
    const { store, now } = this.#world;
    for (const { metadata, spec } of store.all('nodes')) {
      const stands = spec?.taints?.some(
        (taint) => taint.key === outOfServiceTaint && taint.value === outOfService,
      );
      // Nearly always: nobody has one.
      if (stands !== true && this.#outOfServiceSince.size === 0) continue;
      const key = `${plan.name} ${metadata.name}`;
      if (stands !== true || leader === undefined) this.#outOfServiceSince.delete(key);
      else if (!this.#outOfServiceSince.has(key)) this.#outOfServiceSince.set(key, now);
      const since = this.#outOfServiceSince.get(key) ?? now;
      if (now - since > outOfServiceMs) {
        this.fail(`S5 the out-of-service taint stands on ${metadata.name} for ${now - since} ms`);
      }
    }
  }

  #missingPods(): readonly string[] {
    const { store, workloads, machines } = this.#world;
    const missing: string[] = [];
    const running = new Map<string, number>();
    for (const { metadata, status } of store.all('pods')) {
      const app = metadata.labels?.app ?? '';
      const runs = status?.phase === 'Running' && metadata.deletionTimestamp === undefined;
      if (runs) running.set(app, (running.get(app) ?? 0) + 1);
    }
    for (const { name, replicas } of workloads) {
      const count = running.get(name) ?? 0;
      const wanted =
        store.find('deployments', name, 'default') ?? store.find('statefulsets', name, 'default');
      // A pod that nobody makes again may be gone for good.
      if (wanted !== undefined && count < replicas) {
        missing.push(`L1 ${name}: ${count} of ${replicas} pods run`);
      }
    }
    for (const machine of machines) {
      for (const { podUid, volumes } of machine.running) {
        if (!store.hasUid(podUid)) continue;
        const shut = volumes.find(
          ({ driver, handle }) => !this.#world.isLetIn(machine, driver, handle),
        );
        if (shut !== undefined)
          missing.push(`L1 a pod on ${machine.name} cannot use ${shut.handle}`);
      }
    }
    return missing;
  }

  #leftOvers(): readonly string[] {
    const { store, instances } = this.#world;
    const left: string[] = [];
    for (const { heartbeats } of instances) {
      for (const [name, leaseName] of heartbeats) {
        const record = recordIn(store.find('leases', leaseName, 'default'));
        if (record !== undefined) left.push(`L2 record ${record.phase} of ${name}`);
      }
    }
    for (const { metadata, spec } of store.all('nodes')) {
      for (const { key } of spec?.taints ?? []) left.push(`L2 taint ${key} on ${metadata.name}`);
    }
    left.push(...this.#conditions());
    for (const { metadata } of store.all('volumeattachments')) {
      if (metadata.finalizers?.includes(holdFinalizer) === true) {
        left.push(`L2 hold on ${metadata.name}`);
      }
    }
    for (const { metadata } of store.all('pods')) {
      const marked = Object.keys(metadata.annotations ?? {}).some((key) =>
        key.startsWith('intent.'),
      );
      if (marked) left.push(`L2 intent on ${metadata.name}`);
    }
    return left;
  }

  /** Where nodes have a condition, it must say in the end that all is well. */
  #conditions(): readonly string[] {
    const { store, instances } = this.#world;
    return instances.flatMap(({ plan, policy }) => {
      if (!policy.nodeCondition) return [];
      const type = storageCondition(plan.name);
      const nodes = store.all('nodes').map(({ metadata, status }) => {
        const found = status?.conditions?.find((condition) => condition.type === type);
        return { name: metadata.name, word: found?.status ?? 'missing' };
      });
      return nodes.flatMap(({ name, word }) =>
        word === 'True' ? [] : [`L2 condition ${type} of ${name} is ${word}`],
      );
    });
  }
}

function nameOf({ options }: Replica): string {
  return `${options.policy.driver.split('.')[0]}/${options.name}`;
}
