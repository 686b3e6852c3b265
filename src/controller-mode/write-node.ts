import type { JsonObject, Performance } from '../shared/effect.ts';
import { failed, type Outcome, outcomeOfHttp } from '../shared/outcome.ts';
import * as api from './requests.ts';

/** How often one of our writes to a Node is tried in a row. */
const attempts = 5;

/** What is to be written of a Node: one of its lists, whole. */
export interface Rewrite {
  readonly kind: 'Rewrite';
  readonly body: JsonObject;
  readonly subresource?: 'status';
}

/**
 * Attach/detach writes the status of a node whose volumes it detaches ten times a second, so a
 * write that comes too late is tried anew at once: a taint whose time is over must not wait for
 * ever longer pauses.
 */
export function* anew(attempt: () => Performance): Performance {
  for (let left = attempts; ; left -= 1) {
    const outcome = yield* attempt();
    if (left <= 1 || outcome.kind !== 'Failed' || outcome.code !== 'HTTP_409') return outcome;
  }
}

/**
 * spec.taints and status.conditions are lists that the kubelet and other controllers write too, and
 * a merge patch replaces lists: so the Node is read, and the list changed and written back whole
 * with the resourceVersion (as PatchNodeTaints does, pkg/controller/controller_utils.go). `change`
 * says what to write of this Node, or what came of it without.
 */
export function* rewrite(
  { node, nodeUid }: { readonly node: string; readonly nodeUid: string },
  change: (body: JsonObject | undefined) => Rewrite | Outcome,
): Performance {
  const target = { namespace: '', name: node };
  const { status, body } = yield* api.get('nodes', target);
  if (status !== 200) return outcomeOfHttp(status, 'reading the Node');
  if (api.uidOf(body) !== nodeUid) return failed('REPLACED', 'another Node object');
  const wanted = change(body);
  if (wanted.kind !== 'Rewrite') return wanted;
  const metadata = { resourceVersion: api.resourceVersionOf(body) };
  return yield* api.patch('nodes', target, { metadata, ...wanted.body }, wanted.subresource);
}
