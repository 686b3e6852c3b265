import type { Effect, JsonObject, Performance, Reply } from '../shared/effect.ts';
import { intentAnnotation } from '../shared/names.ts';
import { type Outcome, done, failed, outcomeOfHttp } from '../shared/outcome.ts';
import { decodePodIntent } from '../shared/record.ts';
import { asObject } from '../shared/untrusted-json.ts';
import type { ActionOf, PodTarget } from './actions.ts';
import { readOtherNodeId } from './node-id.ts';
import * as api from './requests.ts';
import { standingIn, standingRecord, stillTroubled } from './write-record.ts';

interface Context {
  readonly driver: string;
}

/**
 * A deletion as anybody would make it: the kubelet ends the containers and unmounts, and only then
 * the object goes. Never with grace 0, by which the object would go at once, whatever still runs.
 */
export function* endPod(action: ActionOf<'EndPod'>, { driver }: Context): Performance {
  const { heartbeat, epoch, pod, troubled } = action;
  const lease = yield* api.get('leases', heartbeat);
  const standing = standingIn(lease, epoch, ['Intent', 'Fenced']);
  if (standing !== undefined) return standing;
  if (troubled.length > 0 && !stillTroubled(lease.body, driver, troubled, 'any')) {
    return failed('RECOVERED', 'the node does not report its volumes any more');
  }
  const found = yield* api.get('pods', pod);
  const objection = notOfEpisode(found, action, driver);
  if (objection !== undefined) return objection;
  if (api.isDeleting(found.body)) return done;
  const own = asObject(found.body?.spec)?.terminationGracePeriodSeconds;
  const mostSeconds = Math.ceil(action.graceMs / 1000);
  const seconds = Math.min(typeof own === 'number' ? own : mostSeconds, mostSeconds);
  return yield* api.remove('pods', { ...pod, gracePeriodSeconds: Math.max(1, seconds) });
}

/** Why nothing is done to this pod; `Done`: it is another one by now. */
function notOfEpisode(
  found: api.Found,
  { pod, epoch }: ActionOf<'Evict' | 'EndPod'>,
  driver: string,
): Outcome | undefined {
  if (api.isAnother(found, pod.uid)) return done;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the pod');
  const intent = decodePodIntent(api.annotationsOf(found.body)[intentAnnotation(driver)]);
  if (intent?.uid === pod.uid && intent.epoch === epoch) return undefined;
  return failed('NO_INTENT', 'the pod does not carry the intent of this episode');
}

/**
 * Failed first, as PodGC does: that already takes the volume out of what attach/detach wants, and
 * lets Jobs and operators see a disruption (pkg/controller/podgc). Then the object itself. A 404
 * or another uid means that somebody else has finished it, usually its own controller.
 */
export function* evict(action: ActionOf<'Evict'>, { driver }: Context): Performance {
  const { heartbeat, epoch, pod } = action;
  const standing = yield* standingRecord(heartbeat, epoch, ['Intent', 'Fenced']);
  if (standing !== undefined) return standing;
  const found = yield* api.get('pods', pod);
  const objection = notOfEpisode(found, action, driver);
  if (objection !== undefined) return objection;
  if (!api.isFinishedPod(found.body)) {
    const gone = yield* notHeld(action);
    if (gone !== undefined) return gone;
    const otherId = yield* readOtherNodeId(action.node, driver, action.nodeIds);
    if (otherId !== undefined) return otherId;
    const written = yield* failPod(pod, found.body, epoch);
    if (written.kind !== 'Done') return written;
  }
  return yield* api.remove('pods', { ...pod, gracePeriodSeconds: 0 });
}

/**
 * The holds that the eviction rests on, by a consistent read: our own view shows one for a while
 * after it was dropped, by us or by a person, and the volume may be attached there again by then.
 */
function* notHeld({ holds }: ActionOf<'Evict'>): Generator<Effect, Outcome | undefined, Reply> {
  for (const { name, uid } of holds) {
    const found = yield* api.get('volumeattachments', { namespace: '', name });
    if (found.status !== 200 && found.status !== 404) {
      return outcomeOfHttp(found.status, 'reading the VolumeAttachment');
    }
    const only = api.finalizersOf(found.body).length === 1 && api.isHeld(found.body);
    const stands = !api.isAnother(found, uid) && api.isDeleting(found.body) && only;
    if (!stands) return failed('NOT_HELD', `the hold on ${name} does not stand any more`);
  }
  return undefined;
}

function* failPod(pod: PodTarget, body: JsonObject | undefined, epoch: string): Performance {
  const message = `csi-failover: its node has failed and its volumes are fenced (epoch ${epoch})`;
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'VolumeFailover',
    message,
  };
  const status = {
    phase: 'Failed',
    reason: 'VolumeFailover',
    message,
    conditions: [...api.conditionsOf(body, 'DisruptionTarget'), condition],
  };
  const metadata = { uid: pod.uid, resourceVersion: api.resourceVersionOf(body) };
  return yield* api.patch('pods', pod, { metadata, status }, 'status');
}
