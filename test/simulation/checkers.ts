/**
 * What must never happen (safety, after every step) and what must have happened in the end
 * (liveness, after everything is healed). They look at the model's truth, never at the core.
 */
import type { Action } from '../../src/controller-mode/actions.ts';
import type { Effect } from '../../src/shared/effect.ts';
import {
  fenceAnnotation,
  heartbeatLease,
  holdFinalizer,
  intentAnnotation,
} from '../../src/shared/names.ts';
import { decodeFenceRecord, decodePodIntent, type FenceRecord } from '../../src/shared/record.ts';
import { testDriver } from '../model/cluster.ts';
import type { Pod } from '../model/objects.ts';
import { enabled } from './workloads.ts';
import type { World } from './world.ts';

export class Checkers {
  readonly violations: string[] = [];
  readonly #world: World;
  /** Per volume and workload slot: who wrote last, and who was replaced. */
  readonly #writers = new Map<string, { current: string; replaced: Set<string> }>();
  readonly #everyPod = new Map<string, Pod>();

  constructor(world: World) {
    this.#world = world;
    world.cluster.store.subscribe((event) => {
      if (event.resource !== 'pods') return;
      const pod = event.object as Pod;
      this.#everyPod.set(pod.metadata.uid, pod);
    });
  }

  /** S1: no accepted write of a replaced pod after its replacement's first write. */
  write(handle: string, podUid: string): void {
    const pod = this.#everyPod.get(podUid);
    if (pod === undefined) return;
    const key = `${handle}/${slotOf(pod)}`;
    const slot = this.#writers.get(key);
    if (slot === undefined) {
      this.#writers.set(key, { current: podUid, replaced: new Set() });
      return;
    }
    if (slot.current === podUid) return;
    if (slot.replaced.has(podUid)) {
      this.#fail(`S1 ${key}: replaced pod ${podUid} wrote after ${slot.current}`);
    }
    slot.replaced.add(slot.current);
    slot.current = podUid;
  }

  /** Looks at a request of ours right before it is carried out. */
  request(action: Action, effect: Effect): void {
    if (effect.target !== 'kubernetes') return;
    if (effect.verb === 'delete' && effect.resource === 'pods') this.#evicted(effect);
    if (effect.verb === 'delete' && effect.resource === 'volumeattachments') {
      this.#held(effect.name);
    }
    if (action.kind === 'BeginEpisode' && effect.verb !== 'get') this.#begun(action);
  }

  /** S3: a pod that we may not move is not touched. */
  #evicted(effect: Extract<Effect, { verb: 'delete' }>): void {
    const pod = this.#everyPod.get(effect.uid);
    if (pod?.metadata.labels?.['csi-failover.io/enabled'] !== enabled['csi-failover.io/enabled']) {
      this.#fail(`S3 evicted a pod that is not labelled: ${effect.namespace}/${effect.name}`);
    }
    // S5: a uid that is not in the intent of a standing record.
    const { store } = this.#world.cluster;
    const current = store.find('pods', effect.name, effect.namespace);
    if (current?.metadata.uid !== effect.uid) return;
    const intent = decodePodIntent(current.metadata.annotations?.[intentAnnotation(testDriver)]);
    if (intent?.uid !== effect.uid) this.#fail(`S5 deleted ${effect.name} without its intent`);
  }

  /** S3: nor is a VolumeAttachment that a pod which may not move uses. */
  #held(name: string): void {
    const { store } = this.#world.cluster;
    const attachment = store.find('volumeattachments', name);
    const pv = attachment?.spec.source.persistentVolumeName;
    if (attachment === undefined || pv === undefined) return;
    // S5: only a VolumeAttachment that a standing record lists, and only under our hold.
    const node = attachment.spec.nodeName;
    const record = this.#records().find((one) => one.node === node)?.record;
    const listed = record?.volumes.some((volume) => volume.pv === pv) === true;
    const held = attachment.metadata.finalizers?.includes(holdFinalizer) === true;
    const open = record?.phase === 'Intent' || record?.phase === 'Fenced';
    if (!listed || !held || !open) this.#fail(`S5 deleted attachment of ${pv} without a record`);
    const claim = store.find('persistentvolumes', pv)?.spec.claimRef?.name;
    const user = store.all('pods').find((pod) => {
      const phase = pod.status?.phase;
      const uses = (pod.spec.volumes ?? []).some(
        (volume) => volume.persistentVolumeClaim?.claimName === claim,
      );
      const unfinished = phase !== 'Failed' && phase !== 'Succeeded';
      return uses && unfinished && pod.spec.nodeName === attachment.spec.nodeName;
    });
    // A pod that was bound a moment ago may not have been seen by anybody yet.
    if (user === undefined || user.metadata.labels?.['csi-failover.io/enabled'] === 'true') return;
    if (this.#world.ageOf(user.metadata.uid) < 5_000) return;
    this.#fail(`S3 took away volume ${claim} that unlabelled pod ${user.metadata.name} uses`);
  }

  /** S2: nobody is failed over who was just alive. S4: never more than the storm bound. */
  #begun(action: Extract<Action, { kind: 'BeginEpisode' }>): void {
    const { machines, now } = this.#world;
    if (action.reason === 'adopted') return;
    const machine = machines.find(({ name }) => name === action.node);
    const healthy = machine?.healthySince;
    if (healthy !== undefined && now - healthy > 4_000) {
      this.#fail(`S2 began an episode for ${action.node}, healthy for ${now - healthy} ms`);
    }
    const begun = this.#records().filter(({ node }) => node !== action.node).length;
    const bound = Math.max(1, Math.round(machines.length * 0.3));
    if (this.#records().some(({ node }) => node === action.node)) {
      this.#fail(`S5 a second episode for the record of ${action.node}`);
    }
    if (begun + 1 > bound) this.#fail(`S4 ${begun + 1} nodes in episode, at most ${bound}`);
  }

  #records(): { node: string; record: FenceRecord }[] {
    const { store } = this.#world.cluster;
    return this.#world.machines.flatMap(({ name: node }) => {
      const lease = store.find('leases', heartbeatLease(testDriver, node), 'default');
      const record = decodeFenceRecord(lease?.metadata.annotations?.[fenceAnnotation]);
      return record === undefined ? [] : [{ node, record }];
    });
  }

  /** L1: every pod runs. L2: nothing of ours is left. Answers what is still missing. */
  missing(): string[] {
    const { store } = this.#world.cluster;
    const missing: string[] = [];
    for (const { name, claims } of this.#world.workloads) {
      const pods = store.all('pods').filter((pod) => pod.metadata.labels?.app === name);
      const running = pods.filter(
        (pod) => pod.status?.phase === 'Running' && pod.metadata.deletionTimestamp === undefined,
      );
      const wanted = name === 'theirs' ? 2 : name.startsWith('set-') ? claims.length : 1;
      if (running.length < wanted) {
        missing.push(`L1 ${name}: ${running.length} of ${wanted} pods run`);
      }
    }
    for (const { node, record } of this.#records()) {
      missing.push(`L2 record ${record.phase} of ${node}`);
    }
    for (const node of store.all('nodes')) {
      for (const taint of node.spec?.taints ?? []) {
        missing.push(`L2 taint ${taint.key} on ${node.metadata.name}`);
      }
    }
    for (const { metadata } of store.all('volumeattachments')) {
      if (metadata.finalizers?.includes(holdFinalizer) === true) {
        missing.push(`L2 hold on ${metadata.name}`);
      }
    }
    for (const { metadata } of store.all('pods')) {
      const marked = Object.keys(metadata.annotations ?? {}).some((key) =>
        key.startsWith('intent.'),
      );
      if (marked) missing.push(`L2 intent on ${metadata.name}`);
    }
    return missing;
  }

  #fail(what: string): void {
    if (!this.violations.includes(what)) this.violations.push(what);
    this.#world.trace(`VIOLATION ${what}`);
  }

  fail(what: string): void {
    this.#fail(what);
  }
}

/** The place of a workload that one pod after the other fills. */
function slotOf(pod: Pod): string {
  const app = pod.metadata.labels?.app ?? pod.metadata.name;
  if (app === 'theirs') return pod.metadata.uid;
  return app.startsWith('set-') ? pod.metadata.name : app;
}
