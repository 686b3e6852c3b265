import type { Instant } from '../shared/clock.ts';
import { type View, keyOf } from '../shared/model.ts';
import type { WatchFact } from '../shared/watch-fact.ts';
import { observeBegun } from './begun.ts';
import { observeClaimWord } from './claim-words.ts';
import { observeCondition } from './condition.ts';
import { type Fact, type SourceName, isSourceName } from './facts.ts';
import {
  dropAttachment,
  dropClaim,
  dropPod,
  dropPv,
  putAttachment,
  putClaim,
  putPod,
  putPv,
} from './indices.ts';
import { observeKubeletWords } from './kubelet-words.ts';
import { observeEnding } from './observe-ending.ts';
import {
  observeHeartbeatGone,
  observeKubeletGone,
  observeLeadership,
  observeLease,
} from './observe-lease.ts';
import { observeNode } from './observe-node.ts';
import { observeSettled } from './observe-settled.ts';
import { type State, memoryOf } from './state.ts';
import { forgetUnbound, observeHealth } from './storage-view.ts';
import { observeAnswerAgain } from './trouble.ts';

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
    case 'HealthListed':
    case 'HealthRead':
    case 'HealthUnread':
      if (observeHealth(state, fact)) observeAnswerAgain(state, now);
      observeCondition(state, fact, now);
      return;
    case 'Suspended':
      for (const source of Object.values(state.sources)) source.freshSince = now;
      return;
    case 'Begun':
      observeBegun(memoryOf(state, fact.action.node), now);
      return;
    case 'Settled':
      observeSettled(state, fact.action, fact.outcome, now);
  }
}

function observeWatch(state: State, fact: WatchFact, now: Instant): void {
  if (!isSourceName(fact.source)) return;
  const name = fact.source;
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
      remove(state, name, { key: keyOf(fact), uid: fact.uid, now });
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
    if (!listed.has(key)) remove(state, source, { key, uid: undefined, now });
  }
  for (const object of objects) upsert(state, source, object, now);
}

/** Leases are wrapped; of them only the keys matter to the callers. */
function collection(state: State, source: SourceName): Collection {
  return state[source] as unknown as Collection;
}

function upsert(state: State, source: SourceName, object: View, now: Instant): void {
  const key = keyOf(object);
  switch (object.kind) {
    case 'node':
      observeNode(state, state.nodes.get(key), object, now);
      state.nodes.set(key, object);
      return;
    case 'pod':
      observeEnding(state, state.pods.get(key), object, now);
      putPod(state, key, object);
      observeKubeletWords(state, key, object, now);
      return;
    case 'attachment':
      putAttachment(state, key, object);
      return;
    case 'lease':
      observeLease(state, source, object, now);
      return;
    case 'claim':
      putClaim(state, key, object);
      observeClaimWord(state, object.pv, now);
      return;
    case 'pv':
      putPv(state, key, object);
      observeClaimWord(state, key, now);
      return;
    case 'csinode':
      state.csinodes.set(key, object);
      if (object.nodeIds[state.policy.driver] === undefined) state.carriers.delete(key);
      else state.carriers.add(key);
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
function remove(
  state: State,
  source: SourceName,
  { key, uid, now }: { key: string; uid: string | undefined; now: Instant },
): void {
  if (source === 'kubeletLeases' || source === 'heartbeats') {
    const seen = state[source].get(key);
    if (seen === undefined || (uid !== undefined && seen.view.uid !== uid)) return;
    state[source].delete(key);
    if (source === 'heartbeats') observeHeartbeatGone(state, seen, now);
    else observeKubeletGone(state, seen, now);
    return;
  }
  const known = collection(state, source).get(key);
  if (known === undefined || (uid !== undefined && known.uid !== uid)) return;
  switch (source) {
    case 'pods':
      observeEnding(state, state.pods.get(key), undefined, now);
      state.refusals.delete(known.uid);
      dropPod(state, key);
      observeKubeletWords(state, key, undefined, now);
      return;
    case 'attachments':
      dropAttachment(state, key);
      return;
    case 'pvs':
      forgetPv(state, key);
      return;
    case 'nodes':
    case 'csinodes':
      if (source === 'csinodes') state.carriers.delete(key);
      state[source].delete(key);
      forgetNode(state, key);
      return;
    case 'claims':
      forgetClaim(state, key, now);
      return;
    case 'csidrivers':
    case 'namespaces':
    case 'configmaps':
      state[source].delete(key);
  }
}

function forgetClaim(state: State, key: string, now: Instant): void {
  const { pv } = state.claims.get(key) ?? { pv: '' };
  dropClaim(state, key);
  observeClaimWord(state, pv, now);
}

function forgetPv(state: State, key: string): void {
  const handle = state.pvs.get(key)?.handle ?? '';
  dropPv(state, key);
  forgetUnbound(state, handle);
}

/** Nodes come and go under ever new names; what is remembered of one ends with the last of it. */
function forgetNode(state: State, name: string): void {
  if (state.nodes.has(name) || state.csinodes.has(name)) return;
  if ((state.memory.get(name)?.recordEpoch ?? '') !== '') return;
  state.memory.delete(name);
  state.troubledNodes.delete(name);
  state.unsureNodes.delete(name);
  state.seeingNodes.delete(name);
}
