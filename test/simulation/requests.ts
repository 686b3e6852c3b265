/** Carries out an effect on the model at once: the API server and the driver of the simulation. */
import type { Effect, JsonObject, Reply } from '../../src/shared/effect.ts';
import { outcomeOfGrpc, done } from '../../src/shared/outcome.ts';
import type { ModelArray } from '../model/model-array.ts';
import type { Store } from '../model/store.ts';
import type { Result } from '../model/verbs.ts';

export function carryOut(effect: Effect, store: Store, array: ModelArray): Reply {
  if (effect.target === 'csi') {
    if (effect.call === 'VolumeHealth') {
      const health = { status: 'Healthy', reason: '', message: '' } as const;
      return { target: 'csi', outcome: done, publishedNodes: new Map(), health };
    }
    const published = effect.handles.map(
      (handle) => [handle, array.publishedNodes(handle)] as const,
    );
    return { target: 'csi', outcome: done, publishedNodes: new Map(published) };
  }
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

/** The request was carried out, or not, and its answer never came. */
export function noReply(effect: Effect): Reply {
  return effect.target === 'csi'
    ? { target: 'csi', outcome: outcomeOfGrpc(4, 'no answer'), publishedNodes: new Map() }
    : { target: 'kubernetes', status: 0, body: undefined };
}

function answer(result: Result<unknown>, status: number): Reply {
  return result.ok
    ? { target: 'kubernetes', status, body: result.object as JsonObject }
    : { target: 'kubernetes', status: result.status, body: { message: result.message } };
}
