import { type VolumeHealth, worstHealth } from '../shared/health.ts';
import type { Shell } from '../shared/shell.ts';
import type { Fact, MountEntry, OwnLook } from './facts.ts';
import { Look } from './look.ts';
import type { LookResult } from './look-pool.ts';
import type { VolumesAndMounts } from './machine.ts';
import type { NodeVolume } from './node-volumes.ts';
import {
  accessTimesOf,
  healthOfAnswer,
  isWritable,
  type LookQuestion,
  mountGone,
  mountTrouble,
  type Past,
} from './own-looks.ts';
import { Rounds } from './rounds.ts';

export interface OwnLookSourceOptions {
  readonly shell: Pick<Shell, 'clock' | 'random' | 'log'>;
  /** Rejects if any part cannot be read. */
  readonly readMachine: (signal: AbortSignal) => Promise<VolumesAndMounts>;
  readonly pool: {
    readonly stuck: number;
    look(volume: string, question: LookQuestion): Promise<LookResult>;
  };
  /** From the end of one round to the beginning of the next. */
  readonly everyMs: number;
  readonly sysDir: string;
  readonly post: (fact: Fact) => void;
}

const readDeadlineMs = 2000;

/** Looks at a time once some do not come back; else one by one, which is a matter of ms. */
const looksAtATime = 3;

/** A second look comes sooner where the first did not come back. */
const soonMs = 1000;

/** A mount that is missing so many times in a row is gone, and not just being taken away. */
const goneAfterMissing = 2;

const notSeen: VolumeHealth = { status: 'Unknown', reason: 'NotSeen', message: '' };

interface Place {
  readonly past: Past;
  readonly missing: number;
}

/**
 * Looks at every volume that pods of this machine have, round after round, for drivers that tell
 * nothing and for what a driver does not see. What is not mounted as far as we can see is not
 * looked at: below it lies the kubelet's own disk.
 */
export class OwnLookSource {
  readonly #options: OwnLookSourceOptions;
  readonly #rounds: Rounds;
  readonly #machine: Look<VolumesAndMounts>;
  /** By path. Only of places that were there in the last round. */
  #places = new Map<string, Place>();
  #late = new Set<string>();
  #stuck = 0;

  constructor(options: OwnLookSourceOptions) {
    this.#options = options;
    const { clock } = options.shell;
    this.#rounds = new Rounds(options.shell, () => this.#lookOn());
    this.#machine = new Look({ clock, deadlineMs: readDeadlineMs, work: options.readMachine });
  }

  start(): void {
    this.#rounds.start();
  }

  stop(): void {
    this.#rounds.stop();
  }

  async #lookOn(): Promise<number> {
    // Long enough after the last round for those to be gone that could be killed.
    this.#logStuck();
    await this.#round();
    const { everyMs } = this.#options;
    return this.#late.size > 0 ? Math.min(soonMs, everyMs) : everyMs;
  }

  async #round(): Promise<void> {
    const seen = await this.#machine.take();
    if (seen.kind !== 'Answered') return this.#post({ kind: 'OwnLooksFailed' });
    const machine = seen.result;
    // The last line of several with one mount point is the one on top.
    const mounts = new Map(machine.mounts.map((mount) => [mount.mountPoint, mount]));
    const places = new Map<string, Place>();
    const late = this.#late;
    const queue = machine.volumes.toSorted(
      (a, b) => Number(late.has(a.handle)) - Number(late.has(b.handle)),
    );
    this.#late = new Set();
    const worker = async (): Promise<void> => {
      for (let volume = queue.shift(); volume !== undefined; volume = queue.shift()) {
        if (this.#rounds.signal.aborted) return;
        const look = await this.#lookAt(volume, { machine, mounts, places });
        if (look.kind === 'Late') {
          this.#late.add(volume.handle);
          begin();
        }
        this.#post({ kind: 'VolumeLookedAt', handle: volume.handle, look });
      }
    };
    const workers: Promise<void>[] = [];
    const begin = (): void => {
      if (workers.length < looksAtATime) workers.push(worker());
    };
    begin();
    // Others may begin while we wait for the first.
    for (const one of workers) await one;
    this.#places = places;
  }

  /** The worst of all places where pods have the volume; one that hangs ends the look. */
  async #lookAt(volume: NodeVolume, round: Round): Promise<OwnLook> {
    const said: VolumeHealth[] = [];
    for (const path of volume.publishPaths) {
      const seen = await this.#lookAtPlace(volume, realPath(path, round.machine), round);
      if (seen === 'Late') return { kind: 'Late' };
      said.push(seen);
    }
    return { kind: 'Seen', health: worstHealth(said) };
  }

  async #lookAtPlace(
    volume: NodeVolume,
    path: string,
    { mounts, places }: Round,
  ): Promise<VolumeHealth | 'Late'> {
    const known = this.#places.get(path);
    const mount = mounts.get(path);
    if (mount === undefined) return missed(path, known, places);
    const past = known?.past.mountId === mount.id ? known.past : undefined;
    const result = await this.#options.pool.look(volume.handle, this.#question(volume, mount));
    const now = pastAfter(mount, past, result);
    places.set(path, { past: now, missing: 0 });
    const trouble = volume.block ? undefined : mountTrouble(mount, past);
    if (trouble !== undefined) return trouble;
    if (result.kind === 'Answered') return healthOfAnswer(path, result.answer, now);
    return result.kind === 'Late' ? 'Late' : notSeen;
  }

  #question({ block }: NodeVolume, mount: MountEntry): LookQuestion {
    return {
      path: mount.mountPoint,
      isBlock: block,
      // Without a device of its own, as over a network, a file system has a made-up number.
      device: block || mount.device.startsWith('0:') ? '' : mount.device,
      accessTimes: accessTimesOf(mount),
      nowMs: this.#options.shell.clock.wallTime(),
      sysDir: this.#options.sysDir,
    };
  }

  #logStuck(): void {
    const { pool, shell } = this.#options;
    if (pool.stuck === this.#stuck) return;
    this.#stuck = pool.stuck;
    shell.log.warn({ stuck: pool.stuck }, 'helpers that hang on a volume and cannot be ended');
  }

  #post(fact: Fact): void {
    if (!this.#rounds.signal.aborted) this.#options.post(fact);
  }
}

interface Round {
  readonly machine: VolumesAndMounts;
  readonly mounts: ReadonlyMap<string, MountEntry>;
  /** What is remembered for the next round. */
  readonly places: Map<string, Place>;
}

/** A place that never had a mount, as far as we know, may be about to get one. */
function missed(path: string, known: Place | undefined, places: Map<string, Place>): VolumeHealth {
  if (known === undefined) return notSeen;
  const missing = known.missing + 1;
  places.set(path, { ...known, missing });
  return missing >= goneAfterMissing ? mountGone(path) : notSeen;
}

function pastAfter(mount: MountEntry, past: Past | undefined, result: LookResult): Past {
  const device = result.kind === 'Answered' ? result.answer.device : 'unknown';
  return {
    mountId: mount.id,
    wasWritable: isWritable(mount) || past?.wasWritable === true,
    hadDevice: device === 'ok' || past?.hadDevice === true,
  };
}

/** The mount table shows paths without symbolic links. */
function realPath(path: string, { kubeletDirs }: VolumesAndMounts): string {
  const [configured = ''] = kubeletDirs;
  return `${kubeletDirs.at(-1) ?? ''}${path.slice(configured.length)}`;
}
