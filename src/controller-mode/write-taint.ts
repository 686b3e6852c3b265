import type { JsonObject, Performance } from '../shared/effect.ts';
import { done, failed, outcomeOfHttp } from '../shared/outcome.ts';
import { string } from '../shared/untrusted-json.ts';
import type { ActionOf } from './actions.ts';
import * as api from './requests.ts';
import { standingRecord } from './write-record.ts';

/** How often one of our writes to a Node is tried in a row. */
const attempts = 5;

/**
 * spec.taints is one atomic list that other controllers write too, so it is read, changed and
 * written back whole with its resourceVersion (as PatchNodeTaints does,
 * pkg/controller/controller_utils.go). A taint is unique by key and effect: where another one
 * stands in our place it is left alone.
 */
export function setTaint(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  return anew(() => setOnce(action));
}

/** Removes a taint only if key, value and effect are ours. */
export function clearTaint(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  return anew(() => clearOnce(action));
}

/**
 * Attach/detach writes the status of a node whose volumes it detaches ten times a second, so a
 * write that comes too late is tried anew at once: a taint whose time is over must not wait for
 * ever longer pauses.
 */
function* anew(attempt: () => Performance): Performance {
  for (let left = attempts; ; left -= 1) {
    const outcome = yield* attempt();
    if (left <= 1 || outcome.kind !== 'Failed' || outcome.code !== 'HTTP_409') return outcome;
  }
}

function* setOnce(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  if (action.record !== undefined) {
    const { heartbeat, epoch } = action.record;
    const standing = yield* standingRecord(heartbeat, epoch, ['Intent', 'Fenced', 'Moved']);
    if (standing !== undefined) return standing;
  }
  const target = { namespace: '', name: action.node };
  const found = yield* api.get('nodes', target);
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the Node');
  if (api.uidOf(found.body) !== action.nodeUid) return failed('REPLACED', 'another Node object');
  const taints = api.taintsOf(found.body);
  const { key, value } = action.taint;
  const standing = taints.find((taint) => taint.key === key && taint.effect === 'NoSchedule');
  if (standing !== undefined) {
    return string(standing.value) === value
      ? done
      : failed('FOREIGN_TAINT', `somebody else set ${key}`);
  }
  const taint = value === '' ? { key, effect: 'NoSchedule' } : { key, value, effect: 'NoSchedule' };
  return yield* write(target, found.body, [...taints, taint]);
}

function* clearOnce(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  const target = { namespace: '', name: action.node };
  const found = yield* api.get('nodes', target);
  if (found.status === 404) return done;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the Node');
  if (api.uidOf(found.body) !== action.nodeUid) return done;
  const { key, value } = action.taint;
  const taints = api.taintsOf(found.body);
  const kept = taints.filter(
    (taint) => taint.key !== key || taint.effect !== 'NoSchedule' || string(taint.value) !== value,
  );
  if (kept.length === taints.length) return done;
  return yield* write(target, found.body, kept);
}

function write(
  target: api.Target,
  body: JsonObject | undefined,
  taints: JsonObject[],
): Performance {
  const metadata = { resourceVersion: api.resourceVersionOf(body) };
  return api.patch('nodes', target, { metadata, spec: { taints } });
}
