/** A thread that runs seeds one after the other, of this simulation or of a copy of the project. */
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { buildSync } from 'esbuild';
import type { Reach } from './coverage.ts';
import type { Run } from './run.ts';

/** What it is asked for: to run a seed, or to tell what all of its seeds have reached. */
export type Order = number | 'reach';

/** What it tells of one seed. */
export type Told = Pick<Run, 'seed' | 'violations' | 'episodes' | 'moves' | 'simulatedMs'> & {
  readonly kinds: readonly string[];
};

/** What it is told at its start. */
export interface Setting {
  /** It can tell what its seeds have reached, and is slower. */
  readonly covered: boolean;
}

export interface SeedThreadOptions extends Partial<Setting> {
  /** Where the project stands whose simulation it runs; default: this one. */
  readonly folder?: string;
}

const own = join(import.meta.dirname, '..', '..');

/**
 * All of it in one text, as the product is shipped: what is in modules of its own, V8 reads anew
 * from its module at each use, and Node has to strip the types of each. Takes a tenth of the time.
 */
function bundleOf(script: string): string {
  const { outputFiles } = buildSync({
    entryPoints: [script],
    bundle: true,
    minifySyntax: true,
    platform: 'node',
    target: 'node24',
    format: 'cjs',
    write: false,
    logLevel: 'warning',
  });
  return outputFiles[0]?.text ?? '';
}

export class SeedThread {
  readonly #worker: Worker;

  constructor({ folder = own, covered = false }: SeedThreadOptions = {}) {
    // A seed makes much that nobody needs for long: with more room less of it is copied about.
    const resourceLimits = { maxYoungGenerationSizeMb: 64 };
    const workerData: Setting = { covered };
    const script = join(folder, 'test', 'simulation', 'worker.ts');
    const options = { resourceLimits, workerData };
    // What is reached is told by the lines of the files.
    this.#worker = covered
      ? new Worker(script, options)
      : new Worker(bundleOf(script), { ...options, eval: true });
  }

  /** Rejects when the thread has died of it. */
  run(seed: number): Promise<Told> {
    return this.#ask<Told>(seed);
  }

  reach(): Promise<Reach> {
    return this.#ask<Reach>('reach');
  }

  async end(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask<Answer>(order: Order): Promise<Answer> {
    const worker = this.#worker;
    const answer = Promise.withResolvers<Answer>();
    const onError = (error: unknown): void => answer.reject(error as Error);
    const onExit = (): void => answer.reject(new Error('the thread has ended of itself'));
    worker.once('message', answer.resolve);
    worker.once('error', onError);
    worker.once('exit', onExit);
    worker.postMessage(order, []);
    try {
      return await answer.promise;
    } finally {
      worker.off('message', answer.resolve);
      worker.off('error', onError);
      worker.off('exit', onExit);
    }
  }
}
