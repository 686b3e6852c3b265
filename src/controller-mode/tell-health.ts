/**
 * What people are told of the health of volumes, whether or not anything is done about it: on the
 * claim what the storage says, on the pod what its node says. Once per change.
 */
import type { Instant } from '../shared/clock.ts';
import { type VolumeHealth, isBad } from '../shared/health.ts';
import type { Notice, ObjectReference } from '../shared/mode.ts';
import { boundClaims, isFlood } from './condition.ts';
import type { Trouble } from './evidence.ts';
import { type KubeletSaying, kubeletSayings } from './kubelet-words.ts';
import { aboutPod } from './notices.ts';
import { type Overview, ruleOf, sustainedAt } from './scope.ts';
import type { Scope } from './scope-rules.ts';
import type { NodeMemory } from './node-memory.ts';
import type { State } from './state.ts';
import { isMass } from './storage-view.ts';
import { calmAfterMs } from './trouble.ts';
import { usersOf } from './volumes.ts';
import type { Wanted } from './wanted.ts';

/** How long the end of an outage of the storage's management is worth a word. */
const newsMs = 600_000;
/** Nobody reads more sentences than that; the metrics count all. */
const mostTold = 1_000;

export function tellHealth(state: State, now: Instant, overview: Overview, wanted: Wanted): void {
  tellStorage(state, now, wanted);
  tellOutage(state, now, wanted);
  for (const [node, memory] of state.memory) {
    if (memory.troubles.size > 0) tellNode(state, { node, memory, now, overview }, wanted);
  }
  if (state.kubeletWords.size > 0) tellKubelets(state, now, overview, wanted);
}

/** The storage's view, on the claim that the volume belongs to. */
function tellStorage(state: State, now: Instant, { notices }: Wanted): void {
  if (isFlood(state)) return;
  for (const [handle, { health, since }] of state.conditions) {
    if (notices.length >= mostTold) return;
    for (const { pv, claim } of boundClaims(state, handle)) {
      const { namespace, name, uid } = claim;
      const about: ObjectReference = { kind: 'PersistentVolumeClaim', namespace, name, uid };
      const volume = nameOf(handle, pv.name);
      const by = `by the storage (driver ${state.policy.driver})`;
      const note = isWell(health)
        ? `${volume} is called well again ${by}.`
        : `${volume} is called ${said(health)} ${by}, ${lastingFor(now - since)}. ` +
          `${scopes[storageScope(state)]}`;
      const key = isWell(health) ? '' : `/${health.status}`;
      notices.push(condition(state, { about, health, note, key: `storage${key}`, since }));
    }
  }
}

function storageScope({ storage }: State): Scope {
  return isMass(storage) ? 'control-plane' : 'volume';
}

/** Said once for all volumes, on the object that stands for the driver. */
function tellOutage(state: State, now: Instant, wanted: Wanted): void {
  const { driver } = state.policy;
  const found = state.csidrivers.get(driver);
  const { massSince, massEndedAt, known, abnormal } = state.storage;
  if (found === undefined) return;
  const about = { kind: 'CSIDriver', namespace: '', name: driver, uid: found.uid } as const;
  if (massSince !== undefined) {
    wanted.notices.push({
      about,
      type: 'Warning',
      reason: 'MostVolumesAbnormal',
      note:
        `${abnormal} of ${known} volumes are called abnormal by the storage at once: more likely ` +
        'its management fails than so many volumes. Nothing is moved because of volumes.',
      key: 'MostVolumesAbnormal',
      ...again(state, massSince),
      word: 'control-plane',
    });
  } else if (massEndedAt !== undefined && now - massEndedAt < newsMs) {
    wanted.wakeAt.push(massEndedAt + newsMs);
    wanted.notices.push({
      about,
      type: 'Normal',
      reason: 'MostVolumesNormal',
      note: 'The storage calls most of its volumes well again; its word on each counts again.',
      key: 'MostVolumesNormal',
      ...again(state, massEndedAt),
      word: 'control-plane',
    });
  }
}

interface OfNode {
  readonly node: string;
  readonly memory: NodeMemory;
  readonly now: Instant;
  readonly overview: Overview;
}

/** The node's view, on the pods there that use the volume. */
function tellNode(state: State, of: OfNode, wanted: Wanted): void {
  for (const [handle, trouble] of of.memory.troubles) {
    const at = toldAt(state, of, trouble);
    if (at === undefined) continue;
    if (of.now < at) wanted.wakeAt.push(at);
    else wanted.notices.push(...ofTrouble(state, of, handle, trouble));
  }
}

/** A short blip is not worth a word; nor is its end. */
function toldAt(state: State, { memory, now }: OfNode, trouble: Trouble): Instant | undefined {
  const { health, goneAt, steadySince, since } = trouble;
  if (health.status === 'Unknown' || isWell(health)) return undefined;
  if (goneAt === undefined) return isBad(health) ? sustainedAt(state, memory, trouble) : since;
  const wasTold = !isBad(health) || goneAt - steadySince >= state.policy.unhealthyAfterMs;
  const isSeen = (memory.report?.volumes?.good ?? 0) > 0;
  if (!wasTold || !isSeen) return undefined;
  return now < goneAt + newsMs ? goneAt + calmAfterMs : undefined;
}

function ofTrouble(state: State, of: OfNode, handle: string, trouble: Trouble): Notice[] {
  const { node, now, overview } = of;
  const { goneAt, since, steadySince } = trouble;
  const health = goneAt === undefined ? trouble.health : well;
  const key = isWell(health) ? '' : `/${health.status}`;
  return boundClaims(state, handle).flatMap(({ pv }) => {
    const volume = nameOf(handle, pv.name);
    return usersOf(state, node, pv.name).map((pod) => {
      const rule = ruleOf(state, { node, handle }, now, overview);
      const note = isWell(health)
        ? `${volume} is well again on node ${node}.`
        : `${volume} is ${said(health)} on node ${node}, ${lastingFor(now - since)}. ` +
          `Scope ${rule.scope}: ${rule.why}.`;
      const changedAt = goneAt ?? steadySince;
      const where = `${node}/${handle}${key}`;
      return condition(state, { about: aboutPod(pod), health, note, key: where, since: changedAt });
    });
  });
}

/** What only the kubelet says: what the agent says of the same volume it says better. */
function tellKubelets(state: State, now: Instant, overview: Overview, wanted: Wanted): void {
  for (const saying of kubeletSayings(state)) {
    const { pod, handle, word } = saying;
    const { health, since, goneAt } = word;
    const tellAt = since + (isBad(health) ? state.policy.unhealthyAfterMs : 0);
    const isBlip = goneAt !== undefined && goneAt < tellAt;
    const isOld = now >= (goneAt ?? now) + newsMs;
    const isKnown = state.memory.get(pod.nodeName)?.troubles.has(handle) === true;
    if (isBlip || isOld || isKnown) continue;
    if (now < tellAt) wanted.wakeAt.push(tellAt);
    else wanted.notices.push(ofKubelet(state, saying, now, overview));
  }
}

function ofKubelet(
  state: State,
  { pod, handle, pv, word }: KubeletSaying,
  now: Instant,
  overview: Overview,
): Notice {
  const node = pod.nodeName;
  const { health, since, goneAt } = word;
  const by = `by the kubelet of node ${node}`;
  const where = `kubelet/${node}/${handle}`;
  const about = aboutPod(pod);
  if (goneAt !== undefined) {
    const note = `${nameOf(handle, pv)} is called well again ${by}.`;
    return condition(state, { about, health: well, note, key: where, since: goneAt });
  }
  const rule = ruleOf(state, { node, handle }, now, overview);
  const note =
    `${nameOf(handle, pv)} is called ${said(health)} ${by}, ${lastingFor(now - since)}. ` +
    `Scope ${rule.scope}: ${rule.why}.`;
  return condition(state, { about, health, note, key: `${where}/${health.status}`, since });
}

const well: VolumeHealth = { status: 'Healthy', reason: '', message: '' };

function isWell({ status }: VolumeHealth): boolean {
  return status === 'Healthy';
}

function condition(
  state: State,
  {
    about,
    health,
    note,
    key,
    since,
  }: {
    readonly about: ObjectReference;
    readonly health: VolumeHealth;
    readonly note: string;
    readonly key: string;
    readonly since: Instant;
  },
): Notice {
  const reason = isWell(health) ? 'VolumeConditionNormal' : 'VolumeConditionAbnormal';
  const type = isWell(health) ? 'Normal' : 'Warning';
  const rest = { key: `${reason}/${key}`, ...again(state, since), word: health.status };
  return { about, type, reason, note, ...rest };
}

/** What began before we led was told by whoever led then, as far as it could be known. */
function again({ leadingSince }: State, since: Instant): Pick<Notice, 'again'> {
  return since > leadingSince ? { again: String(Math.round(since)) } : {};
}

/** What the trouble with a volume that the storage itself finds means for whoever reads it. */
const scopes: Readonly<Partial<Record<Scope, string>>> = {
  volume: 'Scope volume: it would be so on every node, so nothing is moved because of it.',
  'control-plane':
    'Scope control-plane: most volumes are called so at once, so nothing is moved because of it.',
};

function nameOf(handle: string, pv: string): string {
  return `Volume ${handle} (PersistentVolume ${pv})`;
}

function said({ status, reason, message }: VolumeHealth): string {
  const why = [reason, message].filter((part) => part !== '').join(': ');
  return why === '' ? status : `${status} (${why})`;
}

/** What is told the moment that it is known has the Event's own time. */
function lastingFor(durationMs: number): string {
  const seconds = Math.round(durationMs / 1000);
  return seconds === 0 ? 'since this moment' : `for ${seconds} s now`;
}
