/** How many seeds a second of processor time is good for. */
export interface Speed {
  /** The time of the compiler and of the collector of garbage included. */
  readonly speed: number;
  /** Without the first seeds, for which V8 has compiled little as yet; undefined: no others ran. */
  readonly warmSpeed: number | undefined;
}

/** Counts seeds against the processor time of the whole process, whoever else is at work. */
export class Meter {
  readonly #cold: number;
  readonly #began = process.cpuUsage();
  #seeds = 0;
  #warmed: NodeJS.CpuUsage | undefined;

  constructor(cold: number) {
    this.#cold = cold;
  }

  count(): void {
    this.#seeds += 1;
    if (this.#seeds === this.#cold) this.#warmed = process.cpuUsage();
  }

  /** Processor time until now. */
  get seconds(): number {
    return secondsSince(this.#began);
  }

  read(): Speed {
    const warmSeeds = this.#seeds - this.#cold;
    return {
      speed: this.#seeds / this.seconds,
      warmSpeed: this.#warmed && warmSeeds > 0 ? warmSeeds / secondsSince(this.#warmed) : undefined,
    };
  }
}

function secondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
