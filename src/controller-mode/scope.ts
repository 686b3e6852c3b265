import type { Instant } from '../shared/clock.ts';
import { isBad } from '../shared/health.ts';
import { uniqueVolumeName } from '../shared/model.ts';
import type { Trouble } from './evidence.ts';
import { firstHeard } from './heard.ts';
import { type KubeletView, kubeletView } from './kubelet-words.ts';
import type { NodeMemory } from './node-memory.ts';
import { stormBound } from './policy.ts';
import { type Rule, type Views, ruleFor } from './scope-rules.ts';
import { type State, memoryOf } from './state.ts';
import { storageWord } from './storage-view.ts';
import { isBadNow, troubleWith } from './trouble.ts';
import { attachmentOf, holdOf, isAttachless, usersOf } from './volumes.ts';

/** What the nodes say together, made once for all volumes that are looked at. */
export interface Overview {
  /** More nodes report bad volumes than the storm bound allows. */
  readonly many: boolean;
  /** Nodes that see volumes of the driver that are well; two are enough to know "another one". */
  readonly seeing: readonly string[];
  readonly kubelets: KubeletView;
}

/** O(1) while nobody reports bad volumes. */
export function overviewOf(state: State, now: Instant): Overview {
  const kubelets = kubeletView(state);
  if (state.troubledNodes.size === 0) return { many: false, seeing: [], kubelets };
  const bound = stormBound(state.policy, state.carriers.size);
  const many = firstHeard(state, state.troubledNodes, bound + 1, now).length > bound;
  return { many, seeing: firstHeard(state, state.seeingNodes, 2, now), kubelets };
}

/** Which rule applies to the trouble that this node has with this volume. */
export function ruleOf(
  state: State,
  place: { readonly node: string; readonly handle: string },
  now: Instant,
  overview: Overview,
): Rule {
  return ruleFor(viewsOf(state, place, now, overview));
}

function viewsOf(
  state: State,
  { node, handle }: { readonly node: string; readonly handle: string },
  now: Instant,
  overview: Overview,
): Views {
  return {
    node: nodeWord(state, { node, handle }, now, overview),
    reach: reachOf(state, node),
    storage: storageWord(state, handle, now),
    others: othersWord(state, node, handle, overview),
  };
}

function nodeWord(
  state: State,
  { node, handle }: { readonly node: string; readonly handle: string },
  now: Instant,
  { kubelets }: Overview,
): Views['node'] {
  const memory = memoryOf(state, node);
  const { report } = memory;
  const trouble = troubleWith(memory, handle);
  if (trouble === undefined || trouble.goneAt !== undefined) {
    return wordOfKubelet(kubelets, node, handle) ?? (report === undefined ? 'unknown' : 'good');
  }
  const { status } = trouble.health;
  if (status === 'Unknown' || report?.driver !== 'ok') return 'unknown';
  if (!isBad(trouble.health)) return status === 'Healthy' ? 'good' : 'worse';
  return now < aloneAt(state, memory, trouble, handle) ? 'brief' : 'bad';
}

function wordOfKubelet(
  kubelets: KubeletView,
  node: string,
  handle: string,
): 'kubelet-only' | 'worse' | undefined {
  const said = kubelets.get(node)?.get(handle);
  return said && (isBad(said) ? 'kubelet-only' : 'worse');
}

/**
 * When this trouble will have lasted long enough. A gap in our own view does not count, nor one in
 * what we heard of the agent: a machine that was stopped for a while repeats what it saw before.
 */
export function sustainedAt(
  { sources, policy }: State,
  { heardSince }: NodeMemory,
  { steadySince }: Trouble,
): Instant {
  const since = Math.max(steadySince, heardSince, sources.heartbeats.freshSince);
  return since + policy.unhealthyAfterMs;
}

/**
 * When it will have lasted long enough to be this node's own: times in which many nodes had trouble
 * do not count, since a storage comes back to one after the other, nor those in which the storage
 * itself called the volume abnormal, since nodes look later than it.
 */
export function aloneAt(
  state: State,
  memory: NodeMemory,
  trouble: Trouble,
  handle: string,
): Instant {
  const { crowdedAt, policy, storage } = state;
  const healedAt = storage.volumes.get(handle)?.healedAt ?? crowdedAt;
  const since = Math.max(crowdedAt, healedAt);
  return Math.max(sustainedAt(state, memory, trouble), since + policy.unhealthyAfterMs);
}

/** How far the trouble on this node reaches, by what its agent counts or its kubelet says. */
export function reachOf(state: State, node: string): Views['reach'] {
  const { storage, most } = memoryOf(state, node);
  const { driver } = state.policy;
  const isUnreachable = state.csinodes.get(node)?.unreachable?.includes(driver) === true;
  if (isBadNow(storage) || isUnreachable) return 'storage-down';
  return isBadNow(most) ? 'most' : 'one';
}

function othersWord(
  state: State,
  node: string,
  handle: string,
  { many, seeing, kubelets }: Overview,
): Views['others'] {
  if (many) return 'several';
  for (const other of state.troubledNodes) {
    if (other !== node && isInTrouble(state, other, handle)) return 'several';
  }
  for (const [other, words] of kubelets) {
    const said = words.get(handle);
    if (other === node || said === undefined || !isBad(said)) continue;
    if (isUsable(state, other, handle)) return 'several';
  }
  return seeing.some((other) => other !== node) ? 'good' : 'none';
}

function isInTrouble(state: State, node: string, handle: string): boolean {
  return isBadNow(memoryOf(state, node).troubles.get(handle)) && isUsable(state, node, handle);
}

/**
 * The volume is attached to the node and nobody takes it away. Where it is not, or is being fenced,
 * the mount that is left there must look bad: that is what a fence is for. Of a driver without
 * attach it is there as long as a pod has it.
 */
export function isUsable(state: State, node: string, handle: string): boolean {
  const pvs = state.pvsByVolume.get(uniqueVolumeName(state.policy.driver, handle));
  for (const { name } of pvs?.values() ?? []) {
    if (isAttachless(state) && usersOf(state, node, name).length > 0) return true;
    const attachment = attachmentOf(state, node, name);
    if (attachment?.attached === true && holdOf(attachment) === 'free') return true;
  }
  return false;
}
