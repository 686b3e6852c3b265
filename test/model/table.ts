/** The objects of one resource, by namespace and name, in the order in which they were created. */
import type { AnyObject } from './objects.ts';

/**
 * Two steps to an object, because it is asked for all the time: a key of both would have to be made
 * for each question, and compared letter by letter.
 */
export class Table {
  readonly #namespaces = new Map<string, Map<string, AnyObject>>();
  /** By uid. */
  readonly #order = new Map<string, AnyObject>();

  get(name: string, namespace = ''): AnyObject | undefined {
    return this.#namespaces.get(namespace)?.get(name);
  }

  inOrder(): readonly AnyObject[] {
    return [...this.#order.values()];
  }

  clear(): void {
    this.#namespaces.clear();
    this.#order.clear();
  }

  put(object: AnyObject): void {
    const { namespace = '', name, uid } = object.metadata;
    const names = this.#namespaces.get(namespace);
    if (names === undefined) this.#namespaces.set(namespace, new Map([[name, object]]));
    else names.set(name, object);
    this.#order.set(uid, object);
  }

  remove({ metadata: { namespace = '', name, uid } }: AnyObject): void {
    this.#namespaces.get(namespace)?.delete(name);
    this.#order.delete(uid);
  }
}
