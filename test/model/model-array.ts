import type { Driver, DriverAnswer } from './attacher.ts';

export interface ArrayCall {
  readonly kind: 'publish' | 'unpublish';
  readonly handle: string;
  readonly nodeId: string;
}

/** A storage array and its driver, synchronous: who is published, and every call in order. */
export class ModelArray implements Driver {
  readonly name: string;
  readonly calls: ArrayCall[] = [];
  /** An answer instead of the work; undefined does the work and answers `done`. */
  interfere: ((call: ArrayCall) => DriverAnswer | undefined) | undefined;
  readonly #published = new Map<string, Set<string>>();

  constructor(name: string) {
    this.name = name;
  }

  publish(handle: string, nodeId: string): DriverAnswer {
    const nodes = this.#published.get(handle) ?? new Set();
    this.#published.set(handle, nodes);
    return this.#call({ kind: 'publish', handle, nodeId }, () => nodes.add(nodeId));
  }

  unpublish(handle: string, nodeId: string): DriverAnswer {
    return this.#call({ kind: 'unpublish', handle, nodeId }, () =>
      this.#published.get(handle)?.delete(nodeId),
    );
  }

  publishedNodes(handle: string): readonly string[] {
    return [...(this.#published.get(handle) ?? [])];
  }

  #call(call: ArrayCall, work: () => void): DriverAnswer {
    this.calls.push(call);
    const answer = this.interfere?.(call);
    if (answer !== undefined) return answer;
    work();
    return 'done';
  }
}
