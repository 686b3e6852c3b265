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

  read(): Speed {
    const since = (before: NodeJS.CpuUsage): number => {
      const { user, system } = process.cpuUsage(before);
      return (user + system) / 1e6;
    };
    const warmSeeds = this.#seeds - this.#cold;
    return {
      speed: this.#seeds / since(this.#began),
      warmSpeed: this.#warmed && warmSeeds > 0 ? warmSeeds / since(this.#warmed) : undefined,
    };
  }
}
