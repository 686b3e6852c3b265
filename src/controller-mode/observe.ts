import type { Instant } from '../shared/clock.ts';
import {
  type AttachmentView,
  type NodeView,
  type PodView,
  type PvView,
  type View,
  keyOf,
  uniqueVolumeName,
} from '../shared/model.ts';
import { intentAnnotation } from '../shared/names.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { WatchFact } from '../shared/watch-fact.ts';
import type { Action } from './actions.ts';
import { type Fact, type SourceName, sourceNames } from './facts.ts';
import { observeLeadership, observeLease } from './observe-lease.ts';
import { ownOutOfService } from './out-of-service.ts';
import { type State, groupOf, memoryOf } from './state.ts';

/** Folds one fact into the state, in place. Decides nothing; O(1) but for a whole listing. */
export function observe(state: State, fact: Fact, now: Instant): void {
  switch (fact.kind) {
    case 'Replaced':
    case 'Upserted':
    case 'Removed':
    case 'WatchAlive':
    case 'WatchLost':
    case 'WatchResumed':
      observeWatch(state, fact, now);
      return;
    case 'Leadership':
      observeLeadership(state, fact.leading, fact.renewal, now);
      return;
    case 'Driver':
      state.capabilities = fact.capabilities;
      return;
    case 'Suspended':
      for (const source of Object.values(state.sources)) source.freshSince = now;
      return;
    case 'Settled':
      observeSettled(state, fact.action, fact.outcome, now);
  }
}

function observeSettled(state: State, settled: Action, outcome: Outcome, now: Instant): void {
  if (outcome.kind !== 'Done') {
    state.troubles.set(settled.key, { outcome, at: now });
    return;
  }
  state.troubles.delete(settled.key);
  const memory = memoryOf(state, settled.node);
  if (settled.kind === 'VerifyRevoked') {
    for (const uid of settled.attachmentUids) memory.revoked.add(uid);
  }
  if (settled.kind === 'MarkPod') {
    const pod = state.pods.get(keyOf(settled.pod));
    const group = pod === undefined ? keyOf(settled.pod) : groupOf(pod);
    const joined = memory.joined.get(group) ?? { first: new Set(), later: new Set() };
    joined[memory.recordPhase === 'Intent' ? 'first' : 'later'].add(settled.pod.uid);
    memory.joined.set(group, joined);
  }
}

function observeWatch(state: State, fact: WatchFact, now: Instant): void {
  const name = sourceNames.find((known) => known === fact.source);
  if (name === undefined) return;
  const source = state.sources[name];
  if (fact.kind === 'WatchLost') {
    source.lost = true;
    return;
  }
  source.aliveAt = now;
  switch (fact.kind) {
    case 'Replaced':
      replaceAll(state, name, fact.objects, now);
      // A first listing and one after a gap are alike: nobody was silent before it.
      source.synced = true;
      source.lost = false;
      source.freshSince = now;
      return;
    case 'WatchResumed':
      source.lost = false;
      source.freshSince = now;
      return;
    case 'Upserted':
      upsert(state, name, fact.object, now);
      return;
    case 'Removed':
      remove(state, name, keyOf(fact), fact.uid);
      return;
    case 'WatchAlive':
  }
}

type Collection = Map<string, { readonly namespace: string; readonly name: string; uid: string }>;

/** What is gone from the listing is removed; what stayed keeps its memory (a Lease its clock). */
function replaceAll(
  state: State,
  source: SourceName,
  objects: readonly View[],
  now: Instant,
): void {
  const listed = new Set(objects.map((object) => keyOf(object)));
  for (const key of collection(state, source).keys()) {
    if (!listed.has(key)) remove(state, source, key, undefined);
  }
  for (const object of objects) upsert(state, source, object, now);
}

function collection(state: State, source: SourceName): Collection {
  if (source === 'kubeletLeases' || source === 'heartbeats') {
    // Leases are wrapped; only their keys matter to the caller.
    return state[source] as unknown as Collection;
  }
  return state[source] as unknown as Collection;
}

function upsert(state: State, source: SourceName, object: View, now: Instant): void {
  const key = keyOf(object);
  switch (object.kind) {
    case 'node':
      rememberOutOfService(state, state.nodes.get(key), object, now);
      state.nodes.set(key, object);
      return;
    case 'pod':
      removePod(state, key);
      addPod(state, key, object);
      return;
    case 'attachment':
      removeAttachment(state, key);
      state.attachments.set(key, object);
      indexed(state.attachmentsByNode, object.nodeName).set(key, object);
      return;
    case 'lease':
      observeLease(state, source, object, now);
      return;
    case 'claim':
      state.claims.set(key, object);
      return;
    case 'pv':
      removePv(state, key);
      state.pvs.set(key, object);
      indexed(state.pvsByVolume, volumeOf(object)).set(key, object);
      return;
    case 'csinode':
      state.csinodes.set(key, object);
      return;
    case 'csidriver':
      state.csidrivers.set(key, object);
      return;
    case 'namespace':
      state.namespaces.set(key, object);
      return;
    case 'configmap':
      state.configmaps.set(key, object);
  }
}

/** A removal names the uid; one that meanwhile belongs to another object changes nothing. */
function remove(state: State, source: SourceName, key: string, uid: string | undefined): void {
  if (source === 'kubeletLeases' || source === 'heartbeats') {
    const seen = state[source].get(key);
    if (uid === undefined || seen?.view.uid === uid) state[source].delete(key);
    return;
  }
  const known = collection(state, source).get(key);
  if (known === undefined || (uid !== undefined && known.uid !== uid)) return;
  if (source === 'pods') removePod(state, key);
  else if (source === 'attachments') removeAttachment(state, key);
  else if (source === 'pvs') removePv(state, key);
  else collection(state, source).delete(key);
}

function addPod(state: State, key: string, pod: PodView): void {
  state.pods.set(key, pod);
  const marked = pod.annotations[intentAnnotation(state.policy.driver)] !== undefined;
  if (marked) state.markedPods.set(key, pod);
  if (pod.nodeName !== '') indexed(state.podsByNode, pod.nodeName).set(key, pod);
  for (const claim of claimKeys(pod)) indexed(state.podsByClaim, claim).set(key, pod);
}

function removePod(state: State, key: string): void {
  const pod = state.pods.get(key);
  if (pod === undefined) return;
  state.pods.delete(key);
  state.markedPods.delete(key);
  unindex(state.podsByNode, pod.nodeName, key);
  for (const claim of claimKeys(pod)) unindex(state.podsByClaim, claim, key);
}

function claimKeys(pod: PodView): string[] {
  return pod.volumes.flatMap((volume) =>
    volume.kind === 'claim' ? [`${pod.namespace}/${volume.claim}`] : [],
  );
}

function removePv(state: State, key: string): void {
  const pv = state.pvs.get(key);
  if (pv === undefined) return;
  state.pvs.delete(key);
  unindex(state.pvsByVolume, volumeOf(pv), key);
}

function volumeOf({ driver, handle }: PvView): string {
  return uniqueVolumeName(driver, handle);
}

function removeAttachment(state: State, key: string): void {
  const attachment: AttachmentView | undefined = state.attachments.get(key);
  if (attachment === undefined) return;
  state.attachments.delete(key);
  unindex(state.attachmentsByNode, attachment.nodeName, key);
}

function indexed<V>(index: Map<string, Map<string, V>>, by: string): Map<string, V> {
  let entry = index.get(by);
  if (entry === undefined) {
    entry = new Map();
    index.set(by, entry);
  }
  return entry;
}

function unindex<V>(index: Map<string, Map<string, V>>, by: string, key: string): void {
  const entry = index.get(by);
  entry?.delete(key);
  if (entry?.size === 0) index.delete(by);
}

function rememberOutOfService(
  state: State,
  before: NodeView | undefined,
  after: NodeView,
  now: Instant,
): void {
  const { driver } = state.policy;
  const had = before?.uid === after.uid && ownOutOfService(before, driver) !== undefined;
  const has = ownOutOfService(after, driver) !== undefined;
  if (had === has) return;
  const memory = memoryOf(state, after.name);
  memory.outOfServiceSeenAt = has ? now : undefined;
  memory.outOfServiceGoneAt = has ? undefined : now;
}
