import { keyOf, type View } from '../model.ts';
import type { WatchFact } from '../watch-fact.ts';
import type { ObjectJson } from './watch-event.ts';

interface Known {
  readonly uid: string;
  readonly resourceVersion: string;
}

/**
 * What a reflector remembers of the collection it watches: of each object only uid and
 * resourceVersion, enough to tell a replaced object (same name, new uid) from a changed one, and
 * an event that was delivered already from a new one.
 */
export class KnownObjects<V extends View> {
  readonly #source: string;
  #known = new Map<string, Known>();

  constructor(source: string) {
    this.#source = source;
  }

  /** After a complete list: exactly these exist. */
  replace(objects: readonly V[]): void {
    this.#known = new Map();
    for (const object of objects) {
      const { uid, resourceVersion } = object;
      this.#known.set(keyOf(object), { uid, resourceVersion });
    }
  }

  /** The facts in "this object is now so"; without a `view` it is of no interest (any more). */
  changed(object: ObjectJson, view: V | undefined): readonly WatchFact<V>[] {
    const key = keyOf(object);
    const known = this.#known.get(key);
    const { uid, resourceVersion } = object;
    if (known?.uid === uid && known.resourceVersion === resourceVersion) return [];
    const facts: WatchFact<V>[] = [];
    if (known !== undefined && (known.uid !== uid || view === undefined)) {
      facts.push(this.#removed(object, known.uid));
      this.#known.delete(key);
    }
    if (view !== undefined) {
      this.#known.set(key, { uid, resourceVersion });
      facts.push({ kind: 'Upserted', source: this.#source, object: view });
    }
    return facts;
  }

  /** The facts in "this object is gone": none if another object has its name by now. */
  deleted(object: ObjectJson): readonly WatchFact<V>[] {
    const key = keyOf(object);
    if (this.#known.get(key)?.uid !== object.uid) return [];
    this.#known.delete(key);
    return [this.#removed(object, object.uid)];
  }

  #removed(object: ObjectJson, uid: string): WatchFact<V> {
    const { namespace, name } = object;
    return { kind: 'Removed', source: this.#source, namespace, name, uid };
  }
}
