import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { Lies } from './health.ts';
import type { Code } from './reply.ts';

/**
 * How a method misbehaves: `hang` never answers; a code answers with that error and does nothing;
 * `lose` does it and never answers; a number of milliseconds comes before it does anything.
 */
export type Fault = 'hang' | 'lose' | { readonly code: Code } | { readonly delayMs: number };

/**
 * By method name, such as `NodeGetInfo`, or method name and volume, such as `NodeGetVolumeHealth
 * vol-1`; `*` is for all that have none of their own.
 */
export type Faults = Readonly<Record<string, Fault>>;

/** What it does wrong, and what it says that is not true. */
export interface Told {
  readonly faults?: Faults;
  readonly health?: Lies;
}

/** For a driver that reads its faults in this file. */
export function writeTold(file: string, { faults, health }: Told): void {
  writeFileSync(`${file}.next`, JSON.stringify({ ...faults, health }));
  renameSync(`${file}.next`, file);
}

/** What the driver was told to do wrong: in its own process, or from outside through a file. */
export class FaultTable {
  readonly #file: string | undefined;
  readonly #set = new Map<string, Fault>();
  #lies: Lies = {};

  constructor(faults: Faults = {}, file?: string) {
    for (const [method, fault] of Object.entries(faults)) this.#set.set(method, fault);
    this.#file = file;
  }

  set(method: string, fault: Fault | undefined): void {
    if (fault === undefined) this.#set.delete(method);
    else this.#set.set(method, fault);
  }

  of(method: string, handle = ''): Fault | undefined {
    const { faults = {} } = this.#readFile();
    for (const key of [`${method} ${handle}`, method, '*']) {
      const fault = faults[key] ?? this.#set.get(key);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  get lies(): Lies {
    return this.#readFile().health ?? this.#lies;
  }

  set lies(lies: Lies) {
    this.#lies = lies;
  }

  /** Read at every call, so that it works at once; a missing or half-written file says nothing. */
  #readFile(): Told {
    try {
      const text = this.#file === undefined ? '{}' : readFileSync(this.#file, 'utf8');
      const { health, ...faults } = (JSON.parse(text) ?? {}) as { health?: Lies };
      return { faults, ...(health && { health }) };
    } catch {
      return {};
    }
  }
}
