/**
 * `work`, `seeds` and `build`, for which others wait, compute and have time. `clock`, `model`, `real`
 * and `machines` wait by the clock: small parts alone, all of them on the modelled control plane, on
 * the real one, and on real machines. `measured` is what counts seconds.
 */
export type Track =
  | 'build'
  | 'clock'
  | 'machines'
  | 'measured'
  | 'model'
  | 'real'
  | 'seeds'
  | 'work';

export interface Planned {
  readonly name: string;
  readonly track: Track;
  /** Stages of other tracks, by name, that must have ended before; those not planned do not count. */
  readonly after?: readonly string[];
  /** Not even beside what is patient. */
  readonly alone?: true;
}

export interface Progress {
  readonly running: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
}

/**
 * What may begin now. The stages of a track run one after the other, in their order; the tracks run
 * side by side, but for what is measured: that begins when all else has ended that is not patient, and
 * what is measured alone after that, too.
 */
export function startable<S extends Planned>(
  stages: readonly S[],
  { running, ended }: Progress,
): readonly S[] {
  const open = stages.filter(({ name }) => !ended.has(name));
  const isOpen = (other: string): boolean => open.some(({ name }) => name === other);
  return open.filter(
    ({ name, track, after = [], alone = false }, index) =>
      !running.has(name) &&
      !after.some(isOpen) &&
      open.findIndex((stage) => stage.track === track) === index &&
      (track !== 'measured' ||
        open.every((other) => isMeasured(other) || (isPatient(other) && !alone))),
  );
}

/** What computes takes what those leave that wait by the clock, or are measured. */
export function isPatient({ track }: Planned): boolean {
  return track === 'build' || track === 'seeds' || track === 'work';
}

function isMeasured({ track }: Planned): boolean {
  return track === 'measured';
}
