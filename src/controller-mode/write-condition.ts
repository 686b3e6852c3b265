import type { JsonObject, Performance } from '../shared/effect.ts';
import { done, failed, outcomeOfHttp } from '../shared/outcome.ts';
import { string } from '../shared/untrusted-json.ts';
import type { ActionOf } from './actions.ts';
import * as api from './requests.ts';

/**
 * status.conditions is a list that the kubelet and others write too, and a merge patch replaces
 * lists: so it is read, changed and written back whole with the resourceVersion, as taints are.
 * Kubelet keeps conditions that it does not know (pkg/kubelet/kubelet_node_status.go).
 */
export function* setCondition(action: ActionOf<'SetCondition'>, wallTime: string): Performance {
  const { node, nodeUid, condition } = action;
  const target = { namespace: '', name: node };
  const found = yield* api.get('nodes', target);
  if (found.status !== 200) return outcomeOfHttp(found.status, 'reading the Node');
  if (api.uidOf(found.body) !== nodeUid) return failed('REPLACED', 'another Node object');
  const standing = api.conditionsOf(found.body, '').find(({ type }) => type === condition.type);
  if (standing?.status === condition.status && standing.reason === condition.reason) return done;
  const isTurn = standing?.status !== condition.status;
  const written: JsonObject = {
    ...condition,
    lastHeartbeatTime: wallTime,
    lastTransitionTime: isTurn ? wallTime : string(standing?.lastTransitionTime),
  };
  const others = api.conditionsOf(found.body, condition.type);
  const metadata = { resourceVersion: api.resourceVersionOf(found.body) };
  const status = { conditions: [...others, written] };
  return yield* api.patch('nodes', target, { metadata, status }, 'status');
}
