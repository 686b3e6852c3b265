import type { JsonObject, Performance } from '../shared/effect.ts';
import { done, type Outcome } from '../shared/outcome.ts';
import { textIn } from '../shared/untrusted-json.ts';
import type { ActionOf } from './actions.ts';
import * as api from './requests.ts';
import { anew, rewrite, type Rewrite } from './write-node.ts';

/** Kubelet keeps conditions that it does not know (pkg/kubelet/kubelet_node_status.go). */
export function setCondition(action: ActionOf<'SetCondition'>, wallTime: string): Performance {
  return anew(() => rewrite(action, (body) => changed(action, wallTime, body)));
}

function changed(
  { condition }: ActionOf<'SetCondition'>,
  wallTime: string,
  body: JsonObject | undefined,
): Rewrite | Outcome {
  const standing = api.conditionsOf(body, '').find(({ type }) => type === condition.type);
  if (standing?.status === condition.status && standing.reason === condition.reason) return done;
  const isTurn = standing?.status !== condition.status;
  const written: JsonObject = {
    ...condition,
    lastHeartbeatTime: wallTime,
    lastTransitionTime: isTurn ? wallTime : textIn(standing?.lastTransitionTime),
  };
  const conditions = [...api.conditionsOf(body, condition.type), written];
  return { kind: 'Rewrite', body: { status: { conditions } }, subresource: 'status' };
}
