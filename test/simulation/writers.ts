/**
 * S1: no accepted write of a replaced pod after its replacement's first write, for moves that we
 * have a part in. What Kubernetes or people do without us is not ours to answer for.
 */
import { outOfServiceTaint, outOfServicePrefix } from '../../src/shared/names.ts';
import type { StoreEvent } from '../model/event-log.ts';
import { isFinished } from '../model/conditions.ts';
import type { Pod } from '../model/objects.ts';
import type { Store } from '../model/store.ts';

/** A place at one volume, which one pod after the other fills. */
export interface Slot {
  readonly place: string;
  readonly handle: string;
  /** Who wrote last; empty: nobody yet. */
  current: string;
  readonly replaced: Set<string>;
}

export class Writers {
  /** How many writes there were so far that changed who wrote last. */
  count = 0;
  readonly #slots = new Map<string, Slot>();
  readonly #slotOfPod = new Map<string, string>();
  readonly #nodeOfPod = new Map<string, string>();
  /** Pods whose end is our doing, at least in part. */
  readonly #moved = new Set<string>();
  /** Pods with a volume that only one node may have, which we have asked to take away. */
  readonly #held = new Set<string>();
  /** Pods, and VolumeAttachments, of which people took a protection away by force. */
  readonly #excused = new Set<string>();
  readonly #store: Store;
  readonly #isSlotted: (app: string) => boolean;
  readonly #fail: (what: string) => void;

  constructor(options: {
    store: Store;
    isSlotted: (app: string) => boolean;
    fail: (what: string) => void;
  }) {
    this.#store = options.store;
    this.#isSlotted = options.isSlotted;
    this.#fail = options.fail;
    options.store.subscribe((event) => {
      if (event.resource === 'pods') this.#observe(event as StoreEvent<'pods'>);
    });
  }

  slotOf(driver: string, handle: string, podUid: string): Slot {
    const place = this.#slotOfPod.get(podUid) ?? podUid;
    const key = `${driver} ${handle} ${place}`;
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { place, handle, current: '', replaced: new Set() };
      this.#slots.set(key, slot);
    }
    return slot;
  }

  /** An accepted write, other than one more of who wrote last. */
  write(slot: Slot, podUid: string): void {
    const { place, handle } = slot;
    const isBack = slot.replaced.has(podUid);
    const isOurs = this.#moved.has(podUid) || this.#held.has(podUid);
    if (isBack && isOurs && !this.#excused.has(podUid)) {
      this.#fail(
        `S1 ${place} on ${this.#nodeOfPod.get(podUid)} wrote to ${handle} after its replacement ` +
          `on ${this.#nodeOfPod.get(slot.current)} did`,
      );
    }
    if (slot.current !== '') slot.replaced.add(slot.current);
    slot.current = podUid;
    this.count += 1;
  }

  /** We took its object or a volume of it away. */
  movedByUs(podUid: string): void {
    this.#moved.add(podUid);
  }

  heldByUs(podUid: string): void {
    this.#held.add(podUid);
  }

  notHeld(podUid: string): void {
    this.#held.delete(podUid);
  }

  excuse(podUid: string): void {
    this.#excused.add(podUid);
  }

  isExcused(podUid: string): boolean {
    return this.#excused.has(podUid);
  }

  #observe({ object, type }: StoreEvent<'pods'>): void {
    const { uid, labels } = object.metadata;
    const app = labels?.app ?? object.metadata.name;
    if (!this.#slotOfPod.has(uid)) {
      const isSet = labels?.['statefulset.kubernetes.io/pod-name'] !== undefined;
      const place = isSet ? object.metadata.name : this.#isSlotted(app) ? app : uid;
      this.#slotOfPod.set(uid, place);
    }
    const { nodeName = '' } = object.spec;
    if (nodeName !== '') this.#nodeOfPod.set(uid, nodeName);
    const ends = type === 'DELETED' || isFinished(object);
    if (ends && this.#isTornOff(object)) this.movedByUs(uid);
  }

  /**
   * Our out-of-service taint lets others take pods and volumes off the node. Somebody else's asking
   * a pod to leave meanwhile takes nothing off it.
   */
  #isTornOff(pod: Pod): boolean {
    const node = this.#store.find('nodes', pod.spec.nodeName ?? '');
    return (node?.spec?.taints ?? []).some(
      ({ key, value = '' }) => key === outOfServiceTaint && value.startsWith(outOfServicePrefix),
    );
  }
}
