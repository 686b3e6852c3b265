/** Carries a request out on the model at once, as its API server does. */
import type { Effect, JsonObject, KubernetesEffect, Reply } from '../../src/shared/effect.ts';
import { done, outcomeOfGrpc } from '../../src/shared/outcome.ts';
import type { ModelArray } from '../model/model-array.ts';
import type { Store } from '../model/store.ts';
import type { Result } from '../model/verbs.ts';

export type KubernetesReply = Reply & { readonly target: 'kubernetes' };

/** Any effect: the API server and a driver that always tells the truth. */
export function carryOut(effect: Effect, store: Store, array: ModelArray): Reply {
  if (effect.target === 'kubernetes') return serve(effect, store);
  if (effect.call === 'VolumeHealth') {
    const health = { status: 'Healthy', reason: '', message: '' } as const;
    return { target: 'csi', outcome: done, publishedNodes: new Map(), health };
  }
  const published = effect.handles.map((handle) => [handle, array.publishedNodes(handle)] as const);
  return { target: 'csi', outcome: done, publishedNodes: new Map(published) };
}

/** The request was carried out, or not, and its answer never came. */
export function noReply(effect: Effect): Reply {
  return effect.target === 'csi'
    ? { target: 'csi', outcome: outcomeOfGrpc(4, 'no answer'), publishedNodes: new Map() }
    : refusal(0);
}

export function serve(effect: KubernetesEffect, store: Store): KubernetesReply {
  const place = { namespace: effect.namespace, name: effect.name };
  switch (effect.verb) {
    case 'get':
      return answer(store.get(effect.resource, place), 200);
    case 'create':
      return answer(store.create(effect.resource, effect.body), 201);
    case 'update':
      return answer(store.update(effect.resource, effect.body), 200);
    case 'patch': {
      const { subresource } = effect;
      return answer(store.patch(effect.resource, place, effect.body, { subresource }), 200);
    }
    case 'delete': {
      const { uid, gracePeriodSeconds } = effect;
      return answer(store.delete(effect.resource, place, { uid, gracePeriodSeconds }), 200);
    }
  }
}

/** Status 0: nobody knows whether it was carried out. */
export function refusal(status: number, message?: string): KubernetesReply {
  const body = message === undefined ? undefined : { message };
  return { target: 'kubernetes', status, body };
}

function answer(result: Result<unknown>, status: number): KubernetesReply {
  return result.ok
    ? { target: 'kubernetes', status, body: result.object as JsonObject }
    : { target: 'kubernetes', status: result.status, body: { message: result.message } };
}
