/**
 * What our requests may do, judged by what they have done to the model: S2, S4, S5, S7, S8 and L4.
 * Each is looked at in the moment in which it has changed something, by the truth and not by any
 * view.
 */
import type { Action } from '../../src/controller-mode/actions.ts';
import type { KubernetesEffect } from '../../src/shared/effect.ts';
import {
  fencedTaint,
  heartbeatLease,
  holdFinalizer,
  intentAnnotation,
  outOfServiceTaint,
  outOfServiceValue,
  reportAnnotation,
  storageCondition,
  switchConfigMap,
  unavailableTaint,
} from '../../src/shared/names.ts';
import { decodeNodeReport, decodePodIntent } from '../../src/shared/record.ts';
import { isFinished } from '../model/conditions.ts';
import { csiVolumesOf } from '../model/csi-volumes.ts';
import type { AnyObject, Node, Pod, VolumeAttachment } from '../model/objects.ts';
import { recordIn, recordOf } from './fence-records.ts';
import { recordMisdeeds } from './record-conduct.ts';
import type { Replica } from './replica.ts';
import type { World } from './world.ts';

export interface Deed {
  readonly replica: Replica;
  readonly action: Action;
  readonly effect: KubernetesEffect;
  readonly before: AnyObject | undefined;
  readonly after: AnyObject | undefined;
  /** When the action was begun: its replica may have been stopped since. */
  readonly decidedAt: number;
  /** When the action read the kubelet's Lease, if it did. */
  readonly kubeletReadAt: number | undefined;
  /** The Node as the action read it, if it did. */
  readonly nodeRead: AnyObject | undefined;
}

/**
 * A machine may be well for so long before we may be expected to know: its agent waits for an answer
 * that does not come, then for its next turn, and then for a slow request (act.ts, decide.ts).
 */
const wellMs = 9_000;
/** Two heartbeats missed, with whatever a watch and a request may lag behind. */
const stormSilenceMs = 4_000 + 10_000;
/** The same of a kubelet, for which one and a half renewals count (verdict.ts). */
const kubeletSilenceMs = 15_000 + 10_000;
/** So old may an answer of the storage be that is still believed, with its way to us. */
const askedAgoMs = 30_000;
/** A request may be on its way for so long. */
const underWayMs = 15_000;

export function misdeeds(world: World, deed: Deed): readonly string[] {
  const found = [...preconditions(deed)];
  switch (deed.effect.resource) {
    case 'pods':
      return [...found, ...podMisdeeds(world, deed)];
    case 'volumeattachments':
      return [...found, ...attachmentMisdeeds(world, deed)];
    case 'nodes':
      return [...found, ...taintMisdeeds(deed), ...conditionMisdeeds(deed)];
    case 'leases':
      return [...found, ...begun(world, deed), ...recordMisdeeds(world, deed)];
    default:
      return found;
  }
}

/** S5, the form: nothing is changed but the very object or version that was decided upon. */
function preconditions({ effect, action }: Deed): readonly string[] {
  const what = `${action.kind} ${effect.verb} ${effect.resource}`;
  if (effect.verb === 'create') return [];
  if (effect.verb === 'delete') return effect.uid === '' ? [`S5 ${what} without a uid`] : [];
  const metadata = ('body' in effect ? effect.body.metadata : undefined) as
    | { readonly uid?: string; readonly resourceVersion?: string }
    | undefined;
  const version = metadata?.resourceVersion ?? '';
  const uid = metadata?.uid ?? '';
  if (effect.resource === 'pods') return uid === '' ? [`S5 ${what} without a uid`] : [];
  if (effect.resource === 'volumeattachments' && uid === '') return [`S5 ${what} without a uid`];
  return version === '' ? [`S5 ${what} without a version`] : [];
}

function podMisdeeds(world: World, { replica, action, effect, before }: Deed): readonly string[] {
  if (action.kind === 'EndPod' && effect.verb === 'delete' && !effect.gracePeriodSeconds) {
    return [`S5 ended ${before?.metadata.name} without any time to end`];
  }
  if (action.kind !== 'Evict' || before === undefined) return [];
  const pod = before as Pod;
  const { driver } = replica.options.policy;
  const found: string[] = [];
  const name = pod.metadata.name;
  if (!mayBeEvicted(pod, driver, action.epoch)) found.push(`S5 evicted ${name} without its intent`);
  const records = world.checkers.leases.recentRecords(driver, pod.spec.nodeName ?? '');
  const recorded = records.some(({ epoch }) => epoch === action.epoch);
  if (!recorded) found.push(`S5 evicted ${name} without a record`);
  const machine = world.machine(pod.spec.nodeName ?? '');
  const excused = world.checkers.writers.isExcused(pod.metadata.uid);
  if (machine === undefined || !machine.isOn || excused) return found;
  for (const volume of csiVolumesOf(world.store, pod)) {
    if (!world.isLetIn(machine, volume.driver, volume.handle)) continue;
    found.push(`S5 evicted ${name} while ${machine.name} still has ${volume.handle}`);
  }
  return found;
}

/**
 * It carries the intent; or the first half of this very eviction was done under the intent, and says
 * so in the pod. When somebody deletes the record then, the mark may go before the second half,
 * which deletes what has failed for good.
 */
function mayBeEvicted(pod: Pod, driver: string, epoch: string): boolean {
  const intent = decodePodIntent(pod.metadata.annotations?.[intentAnnotation(driver)]);
  if (intent?.uid === pod.metadata.uid && intent.epoch === epoch) return true;
  const conditions = isFinished(pod) ? (pod.status?.conditions ?? []) : [];
  return conditions.some(
    ({ reason, message }) =>
      reason === 'VolumeFailover' && message?.includes(`(epoch ${epoch})`) === true,
  );
}

function attachmentMisdeeds(world: World, { replica, action, ...deed }: Deed): readonly string[] {
  const before = deed.before as VolumeAttachment | undefined;
  const after = deed.after as VolumeAttachment | undefined;
  if (before === undefined) return [];
  const found: string[] = [];
  const pv = before.spec.source.persistentVolumeName ?? '';
  const node = before.spec.nodeName;
  const others = (one: VolumeAttachment | undefined): string =>
    (one?.metadata.finalizers ?? []).filter((name) => name !== holdFinalizer).join();
  if (after !== undefined && others(before) !== others(after)) {
    found.push(`S7 changed a finalizer of somebody else on the attachment of ${pv}`);
  }
  const held = before.metadata.finalizers?.includes(holdFinalizer) === true;
  if (deed.effect.verb === 'delete') {
    const records = world.checkers.leases.recentRecords(replica.options.policy.driver, node);
    const isRecorded = records.some(
      ({ phase, volumes }) =>
        (phase === 'Intent' || phase === 'Fenced') && volumes.some((volume) => volume.pv === pv),
    );
    const stripped = world.checkers.writers.isExcused(before.metadata.uid);
    if (!held && !stripped)
      found.push(`S5 deleted the attachment of ${pv} to ${node} without a hold`);
    if (!isRecorded) found.push(`S5 deleted the attachment of ${pv} to ${node} unrecorded`);
  }
  if (action.kind === 'DropHold' && held) {
    const user = world.store.all('pods').find((pod) => {
      const here = pod.spec.nodeName === node && !isFinished(pod);
      const old = world.checkers.ageOf(pod.metadata.uid) > underWayMs + 5_000;
      return here && old && csiVolumesOf(world.store, pod).some((volume) => volume.pv === pv);
    });
    if (user !== undefined) {
      found.push(`S5 dropped the hold of ${pv} while ${user.metadata.name} on ${node} uses it`);
    }
    if (after === undefined && world.controlPlane.isAttaching(pv, node)) {
      found.push(`L4 the hold of ${pv} goes while an attempt to attach it to ${node} looks for it`);
    }
  }
  return found;
}

/** S7: no taint of somebody else is touched. */
function taintMisdeeds({ replica, before, after }: Deed): readonly string[] {
  const { driver } = replica.options.policy;
  const others = (node: AnyObject | undefined): string =>
    ((node as Node | undefined)?.spec?.taints ?? [])
      .filter(({ key, value, effect }) => {
        const ours = key === fencedTaint(driver) || key === unavailableTaint(driver);
        const brief = key === outOfServiceTaint && value === outOfServiceValue(driver);
        return !((ours || brief) && effect === 'NoSchedule');
      })
      .map(({ key, value = '', effect }) => `${key}=${value}:${effect}`)
      .join();
  const [was, is] = [others(before), others(after)];
  return was === is ? [] : [`S7 changed taints of others: ${was} became ${is}`];
}

/** S7: no condition of somebody else is touched. */
function conditionMisdeeds({ replica, before, after }: Deed): readonly string[] {
  const ours = storageCondition(replica.options.policy.driver);
  const others = (node: AnyObject | undefined): string => {
    const conditions = (node as Node | undefined)?.status?.conditions ?? [];
    return JSON.stringify(conditions.filter(({ type }) => type !== ours));
  };
  const [was, is] = [others(before), others(after)];
  return was === is ? [] : [`S7 changed conditions of others on ${after?.metadata.name}`];
}

/** S2: nobody is failed over who was alive. */
function begun(world: World, deed: Deed): readonly string[] {
  const { replica, action, before, after, kubeletReadAt } = deed;
  if (action.kind !== 'BeginEpisode' || action.adopts !== undefined) return [];
  if (recordIn(after) === undefined) return [];
  const { driver, lostAfterMs } = replica.options.policy;
  const { node, reason } = action;
  const found: string[] = [];
  if (reason.startsWith('StorageLost')) found.push(...storageLost(world, replica, action));
  if (recordIn(before) !== undefined) found.push(`S5 wrote over the record of ${node}`);
  const { now, checkers } = world;
  const fast = Math.max(1, replica.clock.rate);
  const beat = checkers.leases.renewedAt(`default/${heartbeatLease(driver, node)}`);
  const quietMs = lostAfterMs / fast;
  if (reason.startsWith('Lost') && beat !== undefined && now - beat < quietMs - 100) {
    found.push(`S2 ${node} is Lost, and its agent renewed ${now - beat} ms ago`);
  }
  const kubelet = checkers.leases.renewedAt(`kube-node-lease/${node}`);
  const lives = reason.startsWith('Gone') || reason.startsWith('StorageLost');
  const silentMs = (reason.startsWith('Lost') ? 15_000 : 30_000) / fast;
  const readAt = kubeletReadAt ?? now;
  const claimsSilence = !lives && kubelet !== undefined && kubelet < readAt;
  if (claimsSilence && readAt - kubelet < silentMs - 100) {
    found.push(`S2 ${node} is ${reason}, and its kubelet renewed ${readAt - kubelet} ms before`);
  }
  const since = world.machine(node)?.healthySince(driver);
  if (!lives && since !== undefined && now - since > wellMs) {
    found.push(`S2 ${node} is ${reason}, and has been well for ${now - since} ms`);
  }
  return [...found, ...storm(world, deed, driver)];
}

/**
 * S4: more nodes in trouble at once than the bound allows are more likely our own trouble. Who was
 * silent when it was decided counts, and who is in episode when it is done.
 */
function storm(
  world: World,
  { action: { node }, decidedAt }: Deed,
  driver: string,
): readonly string[] {
  const { checkers, store } = world;
  const switches = store.find('configmaps', switchConfigMap, 'default')?.data;
  // A person who knows that they are really dead.
  if (switches?.['storm-override'] === 'true') return [];
  const found: string[] = [];
  const others = world.machines.filter(({ name }) => {
    const record = name === node ? undefined : recordOf(world, driver, name);
    // What is adopted was begun by somebody else, or by force.
    return record !== undefined && record.phase !== 'Released' && record.reason !== 'adopted';
  });
  const bound = Math.max(1, Math.round(world.machines.length * 0.3));
  const silent = world.machines.filter(({ name }) => {
    const renewedAt = checkers.leases.renewedAt(`default/${heartbeatLease(driver, name)}`);
    const kubeletAt = checkers.leases.renewedAt(`kube-node-lease/${name}`) ?? 0;
    const inEpisode = name === node || others.some((other) => other.name === name);
    const exists = world.store.find('nodes', name) !== undefined;
    const known = exists && renewedAt !== undefined && carries(world, driver, name, decidedAt);
    if (inEpisode || !known) return inEpisode;
    // After the goodbye of its agent, a sign of life itself, only the kubelet's silence says anything.
    if (hasSaidGoodbye(world, driver, name)) {
      return decidedAt - Math.max(kubeletAt, renewedAt) > kubeletSilenceMs;
    }
    // One whose kubelet renewed after it is a dead agent, which is no storm.
    return decidedAt - renewedAt > stormSilenceMs && kubeletAt < renewedAt + 2_000;
  });
  if (silent.length > bound) {
    found.push(`S4 ${node} is failed over while ${silent.length} nodes are silent`);
  }
  if (others.length + 1 > bound) {
    found.push(`S4 ${others.length + 1} nodes in episode, at most ${bound}`);
  }
  return found;
}

function hasSaidGoodbye({ store }: World, driver: string, node: string): boolean {
  const lease = store.find('leases', heartbeatLease(driver, node), 'default');
  return decodeNodeReport(lease?.metadata.annotations?.[reportAnnotation])?.driver === 'stopping';
}

/**
 * By what Kubernetes said of it when it was decided; a node that does not is none of this driver's.
 * What attach/detach has only made since then nobody could know.
 */
function carries(
  { store, now, checkers }: World,
  driver: string,
  node: string,
  decidedAt: number,
): boolean {
  const registered = store.find('csinodes', node)?.spec.drivers.some(({ name }) => name === driver);
  const attached = store.all('volumeattachments').some(({ spec, metadata }) => {
    const isOf = spec.nodeName === node && spec.attacher === driver;
    return isOf && checkers.ageOf(metadata.uid) >= now - decidedAt;
  });
  return registered === true || attached;
}

/** S2 for a node that lives: its trouble is long enough, its own, and not the storage's. */
function storageLost(
  world: World,
  { clock, options }: Replica,
  { node, volumes }: Action & { readonly kind: 'BeginEpisode' },
): readonly string[] {
  const { driver, unhealthyAfterMs } = options.policy;
  const { now } = world;
  const array = world.array(driver);
  const since = world.machine(node)?.troubledSince;
  const sustainedMs = unhealthyAfterMs / Math.max(1, clock.rate);
  const found: string[] = [];
  // A report of the trouble may outlive it for as long as nobody has looked again.
  if (since !== undefined && now - since < sustainedMs - 100) {
    found.push(`S2 ${node} is StorageLost after ${now - since} ms of trouble`);
  }
  const bad = volumes.every(({ handle }) => array.health(handle).status !== 'Healthy');
  if (bad && array.tellsHealth && now - array.lieSince > askedAgoMs) {
    found.push(`S2 ${node} is StorageLost, and the storage itself calls its volumes bad`);
  }
  // Who has had no volume of the driver notices nothing, and who is not well tells nothing.
  const troubled = world.machines.filter((machine) => {
    const uses = now - (machine.usedSince(driver) ?? now) > askedAgoMs;
    const cut = now - (machine.tellsTroubleSince ?? now) > askedAgoMs;
    return uses && cut && now - (machine.healthySince(driver) ?? now) > askedAgoMs;
  });
  const bound = Math.max(1, Math.round(world.machines.length * 0.3));
  if (troubled.length > bound) {
    found.push(`S4 ${node} is StorageLost, and so are ${troubled.length} nodes`);
  }
  return found;
}
