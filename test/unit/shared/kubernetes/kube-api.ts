import type { JsonObject, KubernetesEffect } from '../../../../src/shared/effect.ts';
import type { KubernetesReply } from '../../../../src/shared/kubernetes/client.ts';
import { objectIn, textIn } from '../../../../src/shared/untrusted-json.ts';

/** Leases in memory with compare-and-swap, and with faults that a test switches on. */
export class LeaseStore {
  readonly objects = new Map<string, JsonObject>();
  /** Every effect, in order. */
  readonly effects: KubernetesEffect[] = [];
  /** What happens to the next requests, one each: by default nothing. */
  readonly faults: ('NoAnswer' | 'LostAnswer' | number)[] = [];
  /** While true no request arrives and none is answered. */
  away = false;
  #version = 100;

  readonly perform = async (effect: KubernetesEffect): Promise<KubernetesReply> => {
    this.effects.push(effect);
    const fault = this.away ? 'NoAnswer' : this.faults.shift();
    if (fault === 'NoAnswer') return reply(0);
    if (typeof fault === 'number') return reply(fault);
    const answer = this.#answer(effect);
    return fault === 'LostAnswer' ? reply(0) : answer;
  };

  get(name: string): JsonObject {
    return objectIn(this.objects.get(name));
  }

  /** As somebody else would: stores the object whatever its version. */
  put(name: string, object: JsonObject): void {
    this.#version += 1;
    const metadata = { ...objectIn(object.metadata), name, resourceVersion: `${this.#version}` };
    this.objects.set(name, { ...object, metadata });
  }

  annotate(name: string, key: string, value: string): void {
    const object = this.get(name);
    const metadata = objectIn(object.metadata);
    const annotations = { ...objectIn(metadata.annotations), [key]: value };
    this.put(name, { ...object, metadata: { ...metadata, annotations } });
  }

  #answer(effect: KubernetesEffect): KubernetesReply {
    const current = this.objects.get(effect.name);
    if (effect.verb === 'create') {
      if (current !== undefined) return reply(409);
      this.put(effect.name, effect.body);
      return reply(201, this.objects.get(effect.name));
    }
    if (current === undefined) return reply(404);
    if (effect.verb === 'update') {
      const sent = textIn(objectIn(effect.body.metadata).resourceVersion);
      if (sent !== textIn(objectIn(current.metadata).resourceVersion)) return reply(409);
      this.put(effect.name, effect.body);
    }
    return reply(200, this.objects.get(effect.name));
  }
}

function reply(status: number, body?: JsonObject): KubernetesReply {
  return { target: 'kubernetes', status, body };
}
