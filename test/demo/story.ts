/** What a timeline shows: plain data, made from a run's records, drawn as text and as SVG. */
export interface Story {
  readonly title: string;
  readonly subtitle: string;
  /** Milliseconds; 0 is the moment of the failure, negative is before. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly lanes: readonly Lane[];
  /** Moments that concern all lanes: power off, power on. */
  readonly marks: readonly Mark[];
}

export interface Mark {
  readonly atMs: number;
  readonly label: string;
}

export interface Lane {
  readonly title: string;
  /** One sentence: how it went. */
  readonly summary: string;
  readonly good: boolean;
  readonly workloads: readonly Workload[];
  readonly steps: readonly Step[];
}

/** One workload and when the array acknowledged its writes. */
export interface Workload {
  readonly name: string;
  readonly spans: readonly Span[];
}

/** An unbroken run of acknowledged writes by one pod on one machine. */
export interface Span {
  readonly machine: string;
  readonly pod: string;
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Step {
  readonly title: string;
  readonly detail: string;
  /** Undefined: it did not happen. */
  readonly atMs: number | undefined;
}

/** One acknowledged write, as the array's journal has it. */
export interface WriteRecord {
  readonly atMs: number;
  readonly machine: string;
  readonly pod: string;
}

/** Joins writes to spans: a pause longer than `pauseMs`, or another pod, begins a new one. */
export function spansOf(writes: readonly WriteRecord[], pauseMs: number): readonly Span[] {
  const spans: Span[] = [];
  for (const write of writes.toSorted((a, b) => a.atMs - b.atMs)) {
    const last = spans.at(-1);
    const goesOn =
      last !== undefined &&
      last.pod === write.pod &&
      last.machine === write.machine &&
      write.atMs - last.toMs <= pauseMs;
    if (goesOn) spans[spans.length - 1] = { ...last, toMs: write.atMs };
    else spans.push({ ...write, fromMs: write.atMs, toMs: write.atMs });
  }
  return spans.map(({ machine, pod, fromMs, toMs }) => ({ machine, pod, fromMs, toMs }));
}

/** How long nothing was written around moment 0; undefined if it never went on. */
export function outageMs(workload: Workload): number | undefined {
  const before = workload.spans.filter((span) => span.fromMs <= 0).at(-1);
  const after = workload.spans.find((span) => span.fromMs > 0 && span !== before);
  return after === undefined ? undefined : after.fromMs - Math.max(before?.toMs ?? 0, 0);
}

/** `+12.34 s`; one form everywhere, so that columns align. */
export function seconds(ms: number, digits = 2): string {
  return `${ms < 0 ? '-' : '+'}${(Math.abs(ms) / 1000).toFixed(digits)}`;
}
