import { readFileSync } from 'node:fs';
import type { Code } from './reply.ts';

/**
 * How a method misbehaves: `hang` never answers; a code answers with that error and does nothing;
 * `lose` does it and never answers; a number of milliseconds comes before it does anything.
 */
export type Fault = 'hang' | 'lose' | { readonly code: Code } | { readonly delayMs: number };

/** By method name, such as `NodeGetInfo`; `*` is for all that have none of their own. */
export type Faults = Readonly<Record<string, Fault>>;

/** What the driver was told to do wrong: in its own process, or from outside through a file. */
export class FaultTable {
  readonly #file: string | undefined;
  readonly #set = new Map<string, Fault>();

  constructor(faults: Faults = {}, file?: string) {
    for (const [method, fault] of Object.entries(faults)) this.#set.set(method, fault);
    this.#file = file;
  }

  set(method: string, fault: Fault | undefined): void {
    if (fault === undefined) this.#set.delete(method);
    else this.#set.set(method, fault);
  }

  of(method: string): Fault | undefined {
    const file = this.#readFile();
    return file[method] ?? this.#set.get(method) ?? file['*'] ?? this.#set.get('*');
  }

  /** Read at every call, so that it works at once; a missing or half-written file says nothing. */
  #readFile(): Faults {
    if (this.#file === undefined) return {};
    try {
      return (JSON.parse(readFileSync(this.#file, 'utf8')) ?? {}) as Faults;
    } catch {
      return {};
    }
  }
}
