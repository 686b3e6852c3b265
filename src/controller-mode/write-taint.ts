import type { Performance } from '../shared/effect.ts';
import { done, failed } from '../shared/outcome.ts';
import { textIn } from '../shared/untrusted-json.ts';
import type { ActionOf } from './actions.ts';
import * as api from './requests.ts';
import { anew, rewrite } from './write-node.ts';
import { standingRecord } from './write-record.ts';

/** A taint is unique by key and effect: where another one stands in our place it is left alone. */
export function setTaint(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  return anew(() => setOnce(action));
}

/** Removes a taint only if key, value and effect are ours. */
export function clearTaint(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  return anew(() => clearOnce(action));
}

function* setOnce(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  if (action.record !== undefined) {
    const { heartbeat, epoch } = action.record;
    const standing = yield* standingRecord(heartbeat, epoch, ['Intent', 'Fenced', 'Moved']);
    if (standing !== undefined) return standing;
  }
  const { key, value } = action.taint;
  return yield* rewrite(action, (body) => {
    const taints = api.taintsOf(body);
    const standing = taints.find((taint) => taint.key === key && taint.effect === 'NoSchedule');
    if (standing !== undefined) {
      return textIn(standing.value) === value
        ? done
        : failed('FOREIGN_TAINT', `somebody else set ${key}`);
    }
    const bare = { key, effect: 'NoSchedule' };
    const taint = value === '' ? bare : { ...bare, value };
    return { kind: 'Rewrite', body: { spec: { taints: [...taints, taint] } } };
  });
}

function* clearOnce(action: ActionOf<'SetTaint' | 'ClearTaint'>): Performance {
  const { key, value } = action.taint;
  const outcome = yield* rewrite(action, (body) => {
    const taints = api.taintsOf(body);
    const kept = taints.filter(
      (taint) =>
        taint.key !== key || taint.effect !== 'NoSchedule' || textIn(taint.value) !== value,
    );
    if (kept.length === taints.length) return done;
    return { kind: 'Rewrite', body: { spec: { taints: kept } } };
  });
  const isGone =
    outcome.kind === 'Failed' && (outcome.code === 'HTTP_404' || outcome.code === 'REPLACED');
  return isGone ? done : outcome;
}
