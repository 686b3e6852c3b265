/**
 * What is thought of each volume on this machine: what the driver's node service says, what we see
 * ourselves, and the one word that goes into the report. An answer that did not come is no answer:
 * neither good nor bad.
 */
import type { Instant } from '../shared/clock.ts';
import { isBad, type VolumeHealth, worstHealth } from '../shared/health.ts';
import type { StorageReport, UnhealthyVolume, VolumeCount } from '../shared/record.ts';
import type { DriverAnswer, OwnLook } from './facts.ts';

/** Lost on a restart of the agent; then it only takes longer to see trouble. */
export interface VolumeViews {
  /** By handle; exactly the volumes that pods have. */
  readonly volumes: Map<string, VolumeView>;
  /** Whether the driver offers to tell of volumes. */
  askedOfDriver: boolean;
  /** Whether we look ourselves. */
  readonly ownLooks: boolean;
  storage: StorageReport | undefined;
  /** When the driver last answered a question about health, whatever it said. */
  answeredAt: Instant;
  /** When the texts of the report were last brought up to date. */
  textsAt: Instant;
}

interface VolumeView {
  /** Undefined until the driver said something. */
  driver: VolumeHealth | undefined;
  /** Questions about this volume in a row to which no answer came in time. */
  lateInARow: number;
  /** The moment of the last of them, and of the one before it. */
  lateAt: readonly [Instant, Instant];
  /** Undefined until we looked. */
  own: VolumeHealth | undefined;
  /** Our own looks in a row that did not come back in time. */
  ownLateInARow: number;
  /** As it stands in the report. */
  told: VolumeHealth;
}

/** So many questions without an answer, and the volume counts as hung. */
const hungAfterLate = 3;

/** So many looks of our own that did not come back: a disk may be busy for the time of one. */
const hungAfterOwnLate = 2;

/** A text that differs at every look must not make the report differ at every look. */
const textsEveryMs = 30_000;

const unknown = (reason: string, message = ''): VolumeHealth => ({
  status: 'Unknown',
  reason,
  message,
});

export function createVolumeViews(ownLooks: boolean): VolumeViews {
  return {
    volumes: new Map(),
    askedOfDriver: false,
    ownLooks,
    storage: undefined,
    answeredAt: Number.NEGATIVE_INFINITY,
    textsAt: Number.NEGATIVE_INFINITY,
  };
}

/** These volumes are in pods' hands now; what was thought of others goes. */
export function keepVolumes(views: VolumeViews, handles: readonly string[]): void {
  const present = new Set(handles);
  for (const handle of views.volumes.keys()) {
    if (!present.has(handle)) views.volumes.delete(handle);
  }
  for (const handle of present) {
    if (views.volumes.has(handle)) continue;
    views.volumes.set(handle, {
      driver: undefined,
      lateInARow: 0,
      lateAt: [0, 0],
      own: undefined,
      ownLateInARow: 0,
      told: unknown('NotSeen'),
    });
  }
}

export function noteAnswer(
  views: VolumeViews,
  { handle, answer }: { readonly handle: string; readonly answer: DriverAnswer },
  now: Instant,
): void {
  if (isOfDriver(answer)) views.answeredAt = now;
  const view = views.volumes.get(handle);
  if (view === undefined) return;
  if (answer.kind === 'Late') {
    view.lateInARow += 1;
    view.lateAt = [now, view.lateAt[0]];
    view.driver = undefined;
  } else {
    view.lateInARow = 0;
    view.driver = answer.kind === 'Told' ? answer.health : unknown(answer.code);
  }
  tell(views, view, now);
}

/** Not made up by our end of the socket, where nobody answers. */
function isOfDriver(answer: DriverAnswer): boolean {
  if (answer.kind !== 'Refused') return answer.kind === 'Told';
  return !['UNAVAILABLE', 'CANCELLED', 'FAILED'].includes(answer.code);
}

export function noteLook(
  views: VolumeViews,
  { handle, look }: { readonly handle: string; readonly look: OwnLook },
  now: Instant,
): void {
  const view = views.volumes.get(handle);
  if (view === undefined) return;
  view.ownLateInARow = look.kind === 'Late' ? view.ownLateInARow + 1 : 0;
  view.own = look.kind === 'Seen' ? look.health : ownSilence(view.ownLateInARow);
  tell(views, view, now);
}

/**
 * The driver does not answer at all, or we did not run: what it said before says nothing of now.
 * That is trouble of the driver's and reported as such, not of each of its volumes.
 */
export function forgetDriverWords(views: VolumeViews, now: Instant): void {
  views.storage = undefined;
  for (const view of views.volumes.values()) {
    view.driver = undefined;
    view.lateInARow = 0;
    tell(views, view, now);
  }
}

export function forgetOwnWords(views: VolumeViews, now: Instant): void {
  for (const view of views.volumes.values()) {
    view.own = undefined;
    view.ownLateInARow = 0;
    tell(views, view, now);
  }
}

/** Everything that is not well, by handle. What is unknown is only counted. */
export function unhealthyVolumes(views: VolumeViews): readonly UnhealthyVolume[] {
  const unhealthy: UnhealthyVolume[] = [];
  for (const [handle, { told }] of views.volumes) {
    if (told.status === 'Healthy' || told.status === 'Unknown') continue;
    unhealthy.push({ handle, ...told });
  }
  return unhealthy.sort((a, b) => (a.handle < b.handle ? -1 : 1));
}

/** Undefined if nobody looks at the volumes of this driver here. */
export function volumeCount(views: VolumeViews): VolumeCount | undefined {
  if (!views.askedOfDriver && !views.ownLooks) return undefined;
  const count = { good: 0, bad: 0, unknown: 0 };
  for (const { told } of views.volumes.values()) {
    if (isBad(told)) count.bad += 1;
    // Degraded works; of lost data nobody can say that it does.
    else if (told.status === 'Healthy' || told.status === 'Degraded') count.good += 1;
    else count.unknown += 1;
  }
  return count;
}

/** Another status goes into the report at once, another text of the same only now and then. */
function tell(views: VolumeViews, view: VolumeView, now: Instant): void {
  const word = wordOf(views, view);
  if (word.status !== view.told.status) {
    view.told = word;
    return;
  }
  if (word.message === view.told.message && word.reason === view.told.reason) return;
  if (now < views.textsAt + textsEveryMs) return;
  views.textsAt = now;
  for (const other of views.volumes.values()) other.told = wordOf(views, other);
}

function ownSilence(lateInARow: number): VolumeHealth {
  if (lateInARow < hungAfterOwnLate) return unknown('NoAnswer');
  return { status: 'Hung', reason: 'NoAnswer', message: 'the file system does not answer' };
}

/** The worst of what the driver says and what we see ourselves. */
function wordOf(views: VolumeViews, view: VolumeView): VolumeHealth {
  const { own } = view;
  if (!views.askedOfDriver) return own ?? unknown('NotSeen');
  const driver = driverWord(views, view);
  // That we cannot look says nothing against what the driver found.
  if (own === undefined || own.status === 'Unknown') return driver;
  // A driver that keeps silent about a volume that we find well has trouble of its own.
  if (driver.status === 'Hung' && own.status === 'Healthy') return unknown(driver.reason);
  return worstHealth([driver, own]);
}

/**
 * Silence is held against a volume only if the driver answers the same sort of question about
 * something else meanwhile: a driver that waits for a lock, or for its array's management, keeps
 * silent about all of them while pods read and write as ever.
 */
function driverWord(views: VolumeViews, view: VolumeView): VolumeHealth {
  if (view.driver !== undefined) return view.driver;
  if (view.lateInARow === 0) return unknown('NotSeen');
  const hangsAlone = views.answeredAt >= view.lateAt[1];
  if (view.lateInARow < hungAfterLate || !hangsAlone) return unknown('NoAnswer');
  const message = `the driver answers, but not about this volume (${hungAfterLate} times or more)`;
  return { status: 'Hung', reason: 'NoAnswer', message };
}
