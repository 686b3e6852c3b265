/** What must be true of a run, each as a sentence that is so or is not. Pure. */
import { fencedTaint, outOfServiceTaint } from '../../src/shared/names.ts';
import { isObject } from '../model/json.ts';
import type { RequestRecord } from '../double/api-server.ts';
import type { DemoRecord } from './run.ts';
import { endedUnfenced, podsStill, podsThen, type Scene } from './scene.ts';
import { epochsOf } from './steps.ts';
import { outageMs, type Story } from './story.ts';

export interface Expectation {
  readonly sentence: string;
  readonly holds: boolean;
  /** What was found instead, or in addition. */
  readonly found: string;
}

export interface Acts {
  readonly record: DemoRecord;
  readonly labelled: Scene;
  readonly unlabelled: Scene;
  readonly story: Story;
  /** How many workloads each lane has. */
  readonly cast: number;
}

/** The promise of the demo: power-off to the last replacement's first write. */
export const recoveryLimitMs = 20_000;

export function expectationsOf(acts: Acts): readonly Expectation[] {
  return [
    { sentence: 'Everything that was waited for happened', ...waitedFor(acts) },
    { sentence: 'Every labelled workload writes again on another machine', ...movedAll(acts) },
    { sentence: `Within ${recoveryLimitMs / 1000} s of the power failure`, ...inTime(acts) },
    { sentence: 'No replaced pod wrote after its replacement', ...noViolation(acts) },
    { sentence: 'Every replacement found all that was acknowledged before', ...noGap(acts) },
    { sentence: 'No pod was ended before its volume was fenced', ...fencedFirst(acts) },
    { sentence: 'The unlabelled workloads were left alone', ...leftAlone(acts) },
    { sentence: 'They wrote nothing until their machine came back', ...stuck(acts) },
    { sentence: 'It was one episode', ...oneEpisode(acts) },
    { sentence: 'Nothing was deleted without naming its uid', ...uidsNamed(acts) },
    { sentence: 'The machine came back, was proven clean and released', ...released(acts) },
    { sentence: 'No taint of ours is left on any node', ...noTaintLeft(acts) },
  ];
}

type Finding = Pick<Expectation, 'holds' | 'found'>;

/** Milliseconds from power-off until the last labelled workload wrote elsewhere, if all did. */
export function recoveryMs(acts: Acts): number | undefined {
  const { node } = acts.labelled;
  const workloads = acts.story.lanes[0]?.workloads ?? [];
  const first = workloads.map(
    ({ spans }) => spans.find((span) => span.fromMs > 0 && span.machine !== node)?.fromMs,
  );
  const all = first.length === podsThen(acts.labelled).length && first.length > 0;
  return all && first.every((at) => at !== undefined) ? Math.max(...first) : undefined;
}

function waitedFor({ record }: Acts): Finding {
  return { holds: record.disappointments.length === 0, found: record.disappointments.join('; ') };
}

function movedAll(acts: Acts): Finding {
  const pods = podsThen(acts.labelled).length;
  const ms = recoveryMs(acts);
  return { holds: ms !== undefined && pods === acts.cast, found: `${pods} workloads` };
}

function inTime(acts: Acts): Finding {
  const ms = recoveryMs(acts);
  const found = ms === undefined ? 'never' : `${(ms / 1000).toFixed(2)} s`;
  return { holds: ms !== undefined && ms <= recoveryLimitMs, found };
}

function noViolation({ record }: Acts): Finding {
  const { accepted, violations } = record.verdict;
  const holds = violations.length === 0 && accepted > 0;
  return { holds, found: `${violations.length} violations in ${accepted} writes` };
}

function noGap({ record }: Acts): Finding {
  return { holds: record.verdict.gaps.length === 0, found: `${record.verdict.gaps.length} gaps` };
}

function fencedFirst({ labelled }: Acts): Finding {
  const unfenced = endedUnfenced(labelled);
  return { holds: unfenced.length === 0, found: unfenced.join(', ') };
}

function leftAlone({ record, unlabelled, cast }: Acts): Finding {
  const uids = new Set(podsThen(unlabelled).map((pod) => pod.metadata.uid));
  const still = podsStill(unlabelled, uids, record.endedAt);
  const lost = record.changes.filter(
    ({ at, type, resource, object }) =>
      at >= record.powerOffAt &&
      type === 'DELETED' &&
      resource === 'volumeattachments' &&
      attachedPv(object).startsWith(`pv-${unlabelled.namespace}-`),
  ).length;
  return {
    holds: uids.size === cast && still === uids.size && lost === 0,
    found: `${still} of ${uids.size} pods as before, ${lost} of their attachments deleted`,
  };
}

function stuck({ record, story, unlabelled }: Acts): Finding {
  const offMs = record.powerOnAt - record.powerOffAt;
  const workloads = story.lanes[1]?.workloads ?? [];
  const outages = workloads.map(outageMs);
  const holds =
    workloads.length === podsThen(unlabelled).length &&
    outages.every((ms) => ms === undefined || ms >= offMs - 1_000);
  const shortest = Math.min(...outages.map((ms) => ms ?? offMs));
  return { holds, found: `silent for at least ${(shortest / 1000).toFixed(1)} s` };
}

function oneEpisode({ labelled }: Acts): Finding {
  const epochs = epochsOf(labelled);
  return { holds: epochs.length === 1, found: `epochs: ${epochs.join(', ') || 'none'}` };
}

function uidsNamed({ record }: Acts): Finding {
  const ours = record.requests.filter(
    ({ method, identity }) => method === 'DELETE' && identity.startsWith('controller-'),
  );
  const without = ours.filter((request) => !namesUid(request)).length;
  const holds = without === 0 && ours.length > 0;
  return { holds, found: `${ours.length} DELETE requests, ${without} without uid` };
}

function released({ story }: Acts): Finding {
  const steps = story.lanes[0]?.steps ?? [];
  const missing = ['Machine back', 'Proven clean', 'Released'].filter(
    (title) => steps.find((step) => step.title === title)?.atMs === undefined,
  );
  return { holds: missing.length === 0, found: missing.map((title) => `not: ${title}`).join(', ') };
}

function noTaintLeft({ record, labelled }: Acts): Finding {
  const keys = [fencedTaint(labelled.driver), outOfServiceTaint];
  const last = new Map(
    record.changes.flatMap(({ resource, object }) =>
      resource === 'nodes' ? [[object.metadata.name, JSON.stringify(object)] as const] : [],
    ),
  );
  const tainted = [...last].filter(([, node]) => keys.some((key) => node.includes(`"${key}"`)));
  return { holds: tainted.length === 0, found: tainted.map(([name]) => name).join(', ') };
}

function namesUid({ body }: RequestRecord): boolean {
  const preconditions = isObject(body) ? body['preconditions'] : undefined;
  return isObject(preconditions) && typeof preconditions['uid'] === 'string';
}

function attachedPv(object: object): string {
  const { spec } = object as {
    readonly spec?: { readonly source?: { readonly persistentVolumeName?: string } };
  };
  return spec?.source?.persistentVolumeName ?? '';
}
