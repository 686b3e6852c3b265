/**
 * An array with the CSI driver before it, as the attacher and our controller see them: calls take
 * time, go on when their client has died, and answer what they like. Who is let in is the model
 * array's business; this decides when it is told.
 */
import type { DriverCapabilities } from '../../src/controller-mode/facts.ts';
import type { CsiEffect, Reply } from '../../src/shared/effect.ts';
import type { VolumeHealth } from '../../src/shared/health.ts';
import { done, outcomeOfGrpc } from '../../src/shared/outcome.ts';
import type { Driver, DriverAnswer } from '../model/attacher.ts';
import { ModelArray } from '../model/model-array.ts';
import type { Prng } from './prng.ts';
import type { Timeline } from './timeline.ts';

export interface ArrayKind {
  /** Whether an unpublish takes anything away: many drivers' does not. */
  readonly revokes: boolean;
  /** LIST_VOLUMES_PUBLISHED_NODES. */
  readonly lists: boolean;
  /** How its controller service tells the health of volumes. */
  readonly health: DriverCapabilities['health'];
  /** It says yes and takes the access away up to so much later; only sane with a listing. */
  readonly revokesLateMs: number;
  readonly latency: { readonly lowMs: number; readonly highMs: number };
}

interface Operation {
  readonly kind: 'publish' | 'unpublish';
  readonly doneAt: number;
  /** What the client hears when the work is done. */
  readonly answer: DriverAnswer;
}

export class SimArray implements Driver {
  readonly name: string;
  readonly kind: ArrayKind;
  readonly array: ModelArray;
  /** How likely a call fails without any work, or works and answers with an error. */
  fails = 0;
  losesReplies = 0;
  /** Calls neither work nor answer. */
  hangs = false;
  /** Half of them take so long on top, longer than a client waits. */
  extraMs = 0;
  /** A listing may be without some of the volumes. */
  listsPartly = false;
  /** It answers listings with an error. */
  refusesListings = false;
  /** Its management answers no question about health, while volumes go on working. */
  managementIsOut = false;
  /** Its listings have no word on health, which it tells when it is asked for one volume. */
  listsNoHealth = false;
  /** Whoever asks now and then gets no answer; who asks because it matters does. */
  isPolledInVain = false;
  /** Nobody asks now and then: whoever does that hangs. */
  isUnasked = false;
  /** What it says of volumes that are well, or of those that are not. */
  lie: { readonly about: (handle: string) => boolean; readonly health: VolumeHealth } | undefined;
  /** Since when it has said that about anything. */
  lieSince = 0;
  readonly publishedNodes?: (handle: string) => readonly string[] | undefined;
  readonly #timeline: Timeline;
  readonly #prng: Prng;
  /** By volume and node id: at most one runs, as CSI asks of drivers ("Concurrency"). */
  readonly #operations = new Map<string, Operation>();

  constructor(name: string, kind: ArrayKind, world: { timeline: Timeline; prng: Prng }) {
    this.name = name;
    this.kind = kind;
    this.array = new ModelArray(name);
    this.#timeline = world.timeline;
    this.#prng = world.prng;
    if (kind.lists) {
      this.publishedNodes = (handle) =>
        this.hangs || this.listsPartly ? undefined : this.array.publishedNodes(handle);
    }
  }

  heal(): void {
    this.fails = 0;
    this.losesReplies = 0;
    this.hangs = false;
    this.extraMs = 0;
    this.listsPartly = false;
    this.refusesListings = false;
    this.managementIsOut = false;
    this.listsNoHealth = false;
    this.isPolledInVain = false;
    this.isUnasked = false;
    this.lie = undefined;
  }

  publish(handle: string, nodeId: string): DriverAnswer {
    return this.#poll('publish', handle, nodeId);
  }

  unpublish(handle: string, nodeId: string): DriverAnswer {
    return this.#poll('unpublish', handle, nodeId);
  }

  /** What our controller hears when it asks. */
  answer(effect: CsiEffect): Reply {
    if (effect.call === 'PublishedNodes') return this.#list(effect.handles);
    const publishedNodes = new Map<string, readonly string[]>();
    if (!this.tellsHealth) {
      return { target: 'csi', outcome: outcomeOfGrpc(14, 'no answer'), publishedNodes };
    }
    const health = this.health(effect.handle);
    return { target: 'csi', outcome: done, publishedNodes, health };
  }

  /** What whoever asks now and then hears of one volume. */
  polledHealth(handle: string): VolumeHealth {
    return this.listsNoHealth
      ? { status: 'Unknown', reason: '', message: '' }
      : this.health(handle);
  }

  get tellsHealth(): boolean {
    return !this.hangs && !this.managementIsOut && this.kind.health !== 'none';
  }

  /** What the storage says of one volume. */
  health(handle: string): VolumeHealth {
    return this.lie?.about(handle) === true
      ? this.lie.health
      : { status: 'Healthy', reason: '', message: '' };
  }

  lies(lie: NonNullable<SimArray['lie']>): void {
    this.lie = lie;
    this.lieSince = this.#timeline.now;
  }

  #list(handles: readonly string[]): Reply {
    const nothing = new Map<string, readonly string[]>();
    if (!this.kind.lists) {
      return { target: 'csi', outcome: outcomeOfGrpc(12, 'no listing'), publishedNodes: nothing };
    }
    if (this.refusesListings) {
      return { target: 'csi', outcome: outcomeOfGrpc(14, 'refused'), publishedNodes: nothing };
    }
    if (this.hangs) {
      return { target: 'csi', outcome: outcomeOfGrpc(4, 'hangs'), publishedNodes: nothing };
    }
    const listed = handles.filter(() => !this.listsPartly || this.#prng.chance(0.5));
    const published = listed.map((one) => [one, this.array.publishedNodes(one)] as const);
    return { target: 'csi', outcome: done, publishedNodes: new Map(published) };
  }

  #poll(kind: Operation['kind'], handle: string, nodeId: string): DriverAnswer {
    if (this.hangs) return 'pending';
    const key = `${handle} ${nodeId}`;
    const running = this.#operations.get(key);
    if (running !== undefined) {
      if (running.kind !== kind) return { error: 'rpc error: code = Aborted' };
      if (this.#timeline.now < running.doneAt) return 'pending';
      this.#operations.delete(key);
      return running.answer;
    }
    if (this.#prng.chance(this.fails)) return { error: 'rpc error: code = Internal' };
    const { latency } = this.kind;
    const extra = this.extraMs > 0 && this.#prng.chance(0.5) ? this.extraMs : 0;
    const delayMs = this.#prng.between(latency.lowMs, latency.highMs) + extra;
    if (delayMs < 100) return this.#work(kind, handle, nodeId);
    this.#operations.set(key, { kind, doneAt: Number.POSITIVE_INFINITY, answer: 'done' });
    // It is done whoever still asks; who asks later than a second after it begins anew.
    this.#timeline.later(delayMs, () => {
      const operation = {
        kind,
        doneAt: this.#timeline.now,
        answer: this.#work(kind, handle, nodeId),
      };
      this.#operations.set(key, operation);
      this.#timeline.later(1_000, () => {
        if (this.#operations.get(key) === operation) this.#operations.delete(key);
      });
    });
    return 'pending';
  }

  #work(kind: Operation['kind'], handle: string, nodeId: string): DriverAnswer {
    if (kind === 'publish') this.array.publish(handle, nodeId);
    else this.#revoke(handle, nodeId);
    return this.#prng.chance(this.losesReplies)
      ? { error: 'rpc error: code = Unavailable' }
      : 'done';
  }

  #revoke(handle: string, nodeId: string): void {
    const { revokes, revokesLateMs } = this.kind;
    if (!revokes) return;
    if (revokesLateMs === 0) {
      this.array.unpublish(handle, nodeId);
      return;
    }
    const { calls } = this.array;
    const before = calls.length;
    this.#timeline.later(this.#prng.between(0, revokesLateMs), () => {
      // Whoever was let in again meanwhile stays in.
      const since = calls.slice(before);
      const again = since.some((call) => call.handle === handle && call.nodeId === nodeId);
      if (!again) this.array.unpublish(handle, nodeId);
    });
  }
}
