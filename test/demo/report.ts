/** What is printed after a run: timeline, Events, verdict, expectations, and the last sentence. */
import { driverName } from '../machine/bed.ts';
import { slotOfPlan } from '../machine/workload-objects.ts';
import { doomed, labelled, namespaces, unlabelled, workers } from './cast.ts';
import { describeObject, type ShownEvent, shownEvent } from './describe.ts';
import { type Acts, type Expectation, recoveryMs } from './expectations.ts';
import type { DemoRecord } from './run.ts';
import { type Scene, podsThen, workloadsOf } from './scene.ts';
import { protectedSteps, returnSteps, unprotectedSteps } from './steps.ts';
import { type Lane, outageMs, type Story } from './story.ts';

/** Turns a run's records into the story and the two scenes that it is judged by. */
export function actsOf(record: DemoRecord): Acts {
  const scene = (namespace: string): Scene => ({
    driver: driverName,
    node: doomed,
    namespace,
    powerOffAt: record.powerOffAt,
    changes: record.changes,
    journal: record.journal,
  });
  const scenes = {
    labelled: scene(namespaces.labelled),
    unlabelled: scene(namespaces.unlabelled),
  };
  const lanes = [withUs(scenes.labelled, record), withoutUs(scenes.unlabelled, record)];
  const story: Story = {
    title: `${doomed} loses power: ${lanes[0]?.summary ?? ''}`,
    subtitle:
      `${workers.length} machines, 2 controller replicas, default flags and --fence=unpublish; ` +
      'kubelet leases of 40 s renewed every 10 s. Bars: writes that the array acknowledged.',
    fromMs: Math.max(record.beganAt - record.powerOffAt, -3_000),
    toMs: record.endedAt - record.powerOffAt,
    marks: [
      { atMs: 0, label: 'power off' },
      { atMs: record.powerOnAt - record.powerOffAt, label: 'power on' },
    ],
    lanes,
  };
  return { record, story, ...scenes, cast: labelled.length };
}

function withUs(scene: Scene, record: DemoRecord): Lane {
  const steps = [...protectedSteps(scene), ...returnSteps(scene, record.powerOnAt)];
  const workloads = workloadsOf(scene);
  const last = steps.find((step) => step.title === 'Every replacement has written')?.atMs;
  return {
    title: 'With csi-failover',
    summary:
      last === undefined
        ? 'not all workloads write again'
        : `all ${workloads.length} write again after ${(last / 1000).toFixed(1)} s`,
    good: last !== undefined,
    workloads,
    steps,
  };
}

function withoutUs(scene: Scene, record: DemoRecord): Lane {
  const workloads = workloadsOf(scene);
  const outages = workloads.map(outageMs);
  const offMs = record.powerOnAt - record.powerOffAt;
  const resumed = outages.every((ms) => ms !== undefined && ms >= offMs - 1_000);
  return {
    title: 'Without (same workloads, unlabelled)',
    summary: resumed
      ? `stuck until ${scene.node} itself came back, ${(Math.max(...outages.map((ms) => ms ?? 0)) / 1000).toFixed(1)} s`
      : `stuck for all ${((record.endedAt - record.powerOffAt) / 1000).toFixed(0)} s`,
    good: false,
    workloads,
    steps: unprotectedSteps(scene, record.powerOnAt),
  };
}

/** The Events as `kubectl describe` shows them, for the objects that people would look at. */
export function describeAll(acts: Acts): string {
  const { record } = acts;
  const events = record.events.map(shownEvent);
  const now = record.endedAt;
  const [web] = labelled;
  const [plain] = unlabelled;
  if (web === undefined || plain === undefined) return '';
  const claim = `data-${web.name}-0`;
  const pod = slotOfPlan(web).slice(web.namespace.length + 1);
  const objects = [
    { kind: 'Node', namespace: '', name: doomed },
    { kind: 'PersistentVolumeClaim', namespace: web.namespace, name: claim },
    { kind: 'Pod', namespace: web.namespace, name: pod },
    { kind: 'Pod', namespace: plain.namespace, name: pod },
  ];
  return objects
    .map(({ kind, namespace, name }) => {
      const uid = uidOf(record, kind, namespace, name);
      const about = events.filter((event) => isAbout(event, { kind, namespace, name, uid }));
      const place = namespace === '' ? '' : ` -n ${namespace}`;
      const fields = [
        ['Name', name],
        ...(namespace === '' ? [] : [['Namespace', namespace] as const]),
      ] as const;
      return `$ kubectl describe ${kind.toLowerCase()} ${name}${place}\n${describeObject(fields, about, now)}`;
    })
    .join('\n');
}

interface Subject {
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** kubectl selects by uid, except that a node's may be its name (events of the kubelet). */
function isAbout(event: ShownEvent, subject: Subject): boolean {
  const { kind, name, namespace, uid } = subject;
  if (event.kind !== kind || event.name !== name || event.namespace !== namespace) return false;
  return event.uid === uid || event.uid === name || event.uid === '';
}

function uidOf(record: DemoRecord, kind: string, namespace: string, name: string): string {
  const last = record.changes.findLast(
    ({ type, object }) =>
      type !== 'DELETED' &&
      object.kind === kind &&
      object.metadata.name === name &&
      (object.metadata.namespace ?? '') === namespace,
  );
  return last?.object.metadata.uid ?? '';
}

/** The array's own words. */
export function verdictText({ record }: Acts): string {
  const { verdict } = record;
  const lines = verdict.writers.map((writer) => {
    const from = clock(record, writer.firstAcceptedAt);
    const to = clock(record, writer.lastAcceptedAt);
    const rejected = writer.rejected === 0 ? '' : `, ${writer.rejected} rejected`;
    return [
      writer.slot.padEnd(22),
      writer.nodeId.padEnd(10),
      `${from} to ${to} s`.padEnd(22),
      `${String(writer.accepted).padStart(4)} writes accepted${rejected}`,
    ].join('  ');
  });
  return [
    'The array, which takes every write of a published node and judges:',
    ...lines.map((line) => `  ${line}`),
    `  verdict: ${verdict.violations.length} violations, ${verdict.gaps.length} acknowledged writes missing`,
    '',
  ].join('\n');
}

function clock({ powerOffAt }: DemoRecord, at: number | undefined): string {
  return at === undefined ? '-' : ((at - powerOffAt) / 1000).toFixed(1).padStart(5);
}

export function expectationsText(expectations: readonly Expectation[]): string {
  const lines = expectations.map(({ sentence, holds, found }) => {
    const detail = found === '' ? '' : ` (${found})`;
    return `  ${holds ? 'ok ' : 'NOT'}  ${sentence}${detail}`;
  });
  return `${lines.join('\n')}\n`;
}

/** The one sentence that remains. */
export function lastSentence(acts: Acts, expectations: readonly Expectation[]): string {
  const failed = expectations.filter(({ holds }) => !holds).length;
  const ms = recoveryMs(acts);
  const { accepted, violations } = acts.record.verdict;
  const pods = podsThen(acts.labelled).length;
  const recovery =
    ms === undefined
      ? `the ${pods} labelled workloads of ${doomed} did not all come back`
      : `the ${pods} labelled workloads of ${doomed} wrote again ${(ms / 1000).toFixed(1)} s after its power failed`;
  const judged = `the array found ${violations.length} violations in ${accepted} writes`;
  const bad =
    failed === 0 ? '' : `, but ${failed} of ${expectations.length} expectations do not hold`;
  return `${recovery.charAt(0).toUpperCase()}${recovery.slice(1)}, and ${judged}${bad}.`;
}
