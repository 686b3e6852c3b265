/**
 * `work` and `build`, for which others wait, compute and have time. `model` and `real` wait by the
 * clock, on the modelled control plane and on the real one. `measured` is what counts seconds.
 */
export type Track = 'build' | 'measured' | 'model' | 'real' | 'work';

export interface Planned {
  readonly name: string;
  readonly track: Track;
  /** Stages of other tracks, by name, that must have ended before; those not planned do not count. */
  readonly after?: readonly string[];
}

export interface Progress {
  readonly running: ReadonlySet<string>;
  readonly ended: ReadonlySet<string>;
}

/**
 * What may begin now. The stages of a track run one after the other, in their order; the tracks run
 * side by side, but for what is measured: that has the computer to itself, when all else has ended.
 */
export function startable<S extends Planned>(
  stages: readonly S[],
  { running, ended }: Progress,
): readonly S[] {
  const open = stages.filter(({ name }) => !ended.has(name));
  const isOpen = (other: string): boolean => open.some(({ name }) => name === other);
  return open.filter(
    ({ name, track, after = [] }, index) =>
      !running.has(name) &&
      !after.some(isOpen) &&
      open.findIndex((stage) => stage.track === track) === index &&
      (track !== 'measured' || open.every((stage) => stage.track === 'measured')),
  );
}

/** What computes takes what those leave that wait by the clock. */
export function isPatient({ track }: Planned): boolean {
  return track === 'build' || track === 'work';
}
