/**
 * The API server as clients reach it: over a network that delays, loses and repeats, and with
 * troubles of its own. A request that has left goes on when its client dies.
 */
import type { KubernetesEffect } from '../../src/shared/effect.ts';
import type { View } from '../../src/shared/model.ts';
import type { AnyObject } from '../model/objects.ts';
import type { Store } from '../model/store.ts';
import type { Network, Party } from './network.ts';
import type { Prng } from './prng.ts';
import { type KubernetesReply, refusal, serve } from './requests.ts';
import type { Timeline } from './timeline.ts';

export interface ApiCall {
  readonly from: Party;
  readonly effect: KubernetesEffect;
  readonly deadlineMs: number;
  /**
   * Around the moment in which the server carries it out, also for a repetition. Undefined: the
   * client died right there, and nobody waits for an answer.
   */
  readonly around?: (execute: () => KubernetesReply) => KubernetesReply | undefined;
  /** At most once, by the deadline. */
  readonly onReply: (reply: KubernetesReply) => void;
}

/**
 * `refusing`: nobody listens. `without-quorum`: it listens, and its watches live, but etcd takes
 * no write and answers no consistent read.
 */
export type ApiState = 'up' | 'refusing' | 'without-quorum';

const webhookWord = 'admission webhook "keep.example.com" denied the request';
/** How long a request may be under way for somebody who does not wait any more. */
const lateMs = 14_000;

export class Api {
  readonly store: Store;
  readonly network: Network;
  /** Objects as the watches of replicas have them. */
  readonly views = new Map<AnyObject, View>();
  state: ApiState = 'up';
  /** How likely a request is answered 429, its answer lost, or itself repeated. */
  throttles = 0;
  losesReplies = 0;
  repeats = 0;
  /** An admission webhook of somebody else lets nobody of us end a pod. */
  keepsPods = false;
  /** How likely a request takes up to 3 s. */
  dawdles: number;
  /** What it answers 403: a webhook, a policy or missing rights say no. */
  forbids: ((effect: KubernetesEffect) => boolean) | undefined;
  readonly #timeline: Timeline;
  readonly #prng: Prng;

  constructor(options: {
    store: Store;
    network: Network;
    timeline: Timeline;
    prng: Prng;
    dawdles: number;
  }) {
    this.store = options.store;
    this.network = options.network;
    this.#timeline = options.timeline;
    this.#prng = options.prng;
    this.dawdles = options.dawdles;
  }

  heal(): void {
    this.state = 'up';
    this.throttles = 0;
    this.losesReplies = 0;
    this.repeats = 0;
    this.keepsPods = false;
  }

  call(call: ApiCall): void {
    const { network } = this;
    const timeline = this.#timeline;
    const { from, deadlineMs, onReply } = call;
    let answered = false;
    const answer = (reply: KubernetesReply): void => {
      if (answered) return;
      answered = true;
      onReply(reply);
    };
    timeline.later(deadlineMs, () => answer(refusal(0)));
    const cutUntil = network.cutUntil(from, 'api');
    let delayMs = network.delayMs(from, 'api');
    if (cutUntil > timeline.now) {
      // The kernel sends again, and may get through when the cable is back.
      delayMs += cutUntil - timeline.now;
      if (delayMs > Math.min(deadlineMs, lateMs) || this.#prng.chance(0.5)) return;
    }
    if (this.#prng.chance(this.dawdles)) delayMs += this.#prng.between(200, 3_000);
    timeline.later(Math.min(delayMs, lateMs), () => this.#arrive(call, answer));
  }

  #arrive(call: ApiCall, answer: (reply: KubernetesReply) => void): void {
    const { from, effect } = call;
    const prng = this.#prng;
    const reply = (what: KubernetesReply): void => {
      if (this.network.isCut('api', from) || prng.chance(this.losesReplies)) return;
      this.#timeline.later(this.network.delayMs('api', from), () => answer(what));
    };
    if (this.state === 'refusing') return reply(refusal(0));
    if (this.state === 'without-quorum') {
      // A write may have been on its way to the quorum when that was lost.
      if (effect.verb !== 'get' && prng.chance(0.1)) this.#execute(call);
      return;
    }
    if (prng.chance(this.throttles)) return reply(refusal(429));
    if (this.forbids?.(effect) === true) return reply(refusal(403));
    const result = this.#execute(call);
    if (effect.verb !== 'get' && prng.chance(this.repeats)) {
      this.#timeline.later(prng.between(100, 5_000), () => {
        if (this.state === 'up') this.#execute(call);
      });
    }
    if (result !== undefined) reply(result);
  }

  #execute({ effect, around }: ApiCall): KubernetesReply | undefined {
    const execute = (): KubernetesReply => {
      const isKept = this.keepsPods && endsPod(effect);
      return isKept ? refusal(403, webhookWord) : serve(effect, this.store);
    };
    return around === undefined ? execute() : around(execute);
  }
}

function endsPod(effect: KubernetesEffect): boolean {
  if (effect.resource !== 'pods') return false;
  return effect.verb === 'delete' || (effect.verb === 'patch' && effect.subresource === 'status');
}
