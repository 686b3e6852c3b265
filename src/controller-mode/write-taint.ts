import type { JsonObject, Performance } from '../shared/effect.ts';
import { done, failed, outcomeOfHttp } from '../shared/outcome.ts';
import type { ActionOf } from './actions.ts';
import * as api from './requests.ts';
import { standingRecord } from './write-record.ts';

/**
 * spec.taints is one atomic list that other controllers write too, so it is read, changed and
 * written back whole with its resourceVersion (as PatchNodeTaints does,
 * pkg/controller/controller_utils.go). A taint is unique by key and effect: where another one
 * stands in our place it is left alone.
 */
export function* setTaint(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
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
    return api.text(standing.value) === value
      ? done
      : failed('FOREIGN_TAINT', `somebody else set ${key}`);
  }
  const taint = value === '' ? { key, effect: 'NoSchedule' } : { key, value, effect: 'NoSchedule' };
  return yield* write(target, found.body, [...taints, taint]);
}

/** Removes a taint only if key, value and effect are ours. */
export function* clearTaint(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  const target = { namespace: '', name: action.node };
  const found = yield* api.get('nodes', target);
  if (found.status === 404) return done;
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the Node');
  if (api.uidOf(found.body) !== action.nodeUid) return done;
  const { key, value } = action.taint;
  const taints = api.taintsOf(found.body);
  const kept = taints.filter(
    (taint) =>
      taint.key !== key || taint.effect !== 'NoSchedule' || api.text(taint.value) !== value,
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
