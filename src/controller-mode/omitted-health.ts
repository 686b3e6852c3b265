import type { VolumeHealth } from '../shared/health.ts';

const well: VolumeHealth = { status: 'Healthy', reason: '', message: '' };

/** Passes in a row from which a volume must be missing until that means something. */
const passes = 2;

/**
 * Reads what a listing of CSI 1.13 says by leaving a volume out. It names only volumes with
 * trouble; but its pages may lose one while volumes change, so only absence from two complete
 * passes in a row is a word, or the answer to one question (KEP-1432, "Reconciliation contract").
 */
export class OmittedHealth {
  /** By handle, from how many complete passes in a row it was missing; only of bound volumes. */
  #missing = new Map<string, number>();
  #adverse: ReadonlySet<string> = new Set();

  /**
   * One complete pass: all words that follow from it, and the volumes that were in trouble in the
   * last one and are not in this: those are worth a question now.
   */
  read(
    listed: ReadonlyMap<string, VolumeHealth>,
    bound: readonly string[],
  ): { readonly volumes: ReadonlyMap<string, VolumeHealth>; readonly unsure: readonly string[] } {
    const volumes = new Map<string, VolumeHealth>();
    const missing = new Map<string, number>();
    const unsure: string[] = [];
    for (const handle of bound) {
      const health = listed.get(handle);
      if (health !== undefined) {
        volumes.set(handle, health);
        continue;
      }
      const count = Math.min(passes, (this.#missing.get(handle) ?? 0) + 1);
      missing.set(handle, count);
      if (count === passes) volumes.set(handle, well);
      else if (this.#adverse.has(handle)) unsure.push(handle);
    }
    this.#missing = missing;
    this.#adverse = new Set(
      [...volumes].flatMap(([handle, { status }]) => (status === 'Healthy' ? [] : [handle])),
    );
    return { volumes, unsure };
  }
}
