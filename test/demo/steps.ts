/**
 * Finds the steps of an episode in a run's records: the changes of the API's objects, and the
 * array's journal. Pure; what it does not find it reports as never.
 */
import { decodeFenceRecord, decodeNodeReport } from '../../src/shared/record.ts';
import {
  fenceAnnotation,
  fencedTaint,
  holdFinalizer,
  outOfServiceTaint,
  outOfServiceValue,
  reportAnnotation,
} from '../../src/shared/names.ts';
import type { Change } from '../machine/bed.ts';
import type { Lease, Node, Pod, VolumeAttachment } from '../model/objects.ts';
import {
  changesOf,
  hasTaint,
  heartbeats,
  isDeleting,
  isFenced,
  of,
  ofNode,
  podsStill,
  podsThen,
  pvsOf,
  type Scene,
  workloadsOf,
} from './scene.ts';
import { type Step, seconds } from './story.ts';

/** The lane with csi-failover, in the order in which it should come. */
export function protectedSteps(scene: Scene): readonly Step[] {
  const old = podsThen(scene);
  const uids = new Set(old.map((pod) => pod.metadata.uid));
  const pvs = pvsOf(scene, old);
  const after = scene.changes.filter((change) => change.at >= scene.powerOffAt);
  const attachments = of(after, 'volumeattachments').filter(({ object }) =>
    pvs.has(object.spec.source.persistentVolumeName ?? ''),
  );
  const theirs = attachments.filter(({ object }) => object.spec.nodeName === scene.node);
  const elsewhere = attachments.filter(({ object }) => object.spec.nodeName !== scene.node);
  const replacements = of(after, 'pods').filter(
    ({ object }) => object.metadata.namespace === scene.namespace && !uids.has(object.metadata.uid),
  );
  const places = nodeNames(replacements);
  const taint = fencedTaint(scene.driver);
  return [
    lastWrite(scene),
    intent(scene, after),
    step(scene, 'Node tainted', `${taint}:NoSchedule keeps replacements away`, [
      ofNode(scene, after).find(({ object }) => hasTaint(object, taint)),
    ]),
    step(
      scene,
      'Holds placed',
      `finalizer ${holdFinalizer} on ${count(pvs.size, 'VolumeAttachment')}, then DELETE`,
      firstPer(
        theirs,
        pvs,
        ({ object }) => isDeleting(object) && finalizers(object).includes(holdFinalizer),
      ),
    ),
    step(
      scene,
      'Fence confirmed',
      `${scene.node} was unpublished; our hold is all that is left`,
      firstPer(theirs, pvs, ({ object }) => isFenced(object)),
    ),
    step(
      scene,
      'Pods evicted',
      `status Failed, then DELETE with uid (${count(uids.size, 'pod')})`,
      [...uids].map((uid) =>
        of(after, 'pods').find(
          ({ type, object }) => type === 'DELETED' && object.metadata.uid === uid,
        ),
      ),
    ),
    outOfService(scene, after),
    step(
      scene,
      'Detached',
      `${count(pvs.size, 'VolumeAttachment')} gone`,
      firstPer(theirs, pvs, ({ type }) => type === 'DELETED'),
    ),
    step(
      scene,
      'Replacements bound',
      places.join(', '),
      atLeast(
        uids.size,
        replacements.filter(
          ({ object, old: before }) => isBound(object) && !isBound(before as Pod),
        ),
      ),
    ),
    step(
      scene,
      'Attached',
      `to ${places.join(', ')}`,
      firstPer(elsewhere, pvs, ({ object }) => object.status?.attached === true),
    ),
    firstWrites(scene),
  ];
}

/** The way back of the machine, until it carries pods again. */
export function returnSteps(scene: Scene, powerOnAt: number): readonly Step[] {
  const since = scene.changes.filter((change) => change.at >= powerOnAt);
  const node = ofNode(scene, since);
  const bootIdThen = ofNode(scene, scene.changes)
    .filter(({ at }) => at < scene.powerOffAt)
    .at(-1)?.object.status?.nodeInfo?.bootID;
  const taint = fencedTaint(scene.driver);
  return [
    step(scene, 'Machine back', 'kubelet Ready with a new boot id', [
      node.find(({ object }) => isReady(object) && object.status?.nodeInfo?.bootID !== bootIdThen),
    ]),
    step(scene, 'Proven clean', 'the agent found no mount of the fenced volumes left', [
      heartbeats(scene, since).find(({ object }) => {
        const report = decodeNodeReport(object.metadata.annotations?.[reportAnnotation]);
        return report?.clean !== undefined && report.clean.epoch === epochsOf(scene)[0];
      }),
    ]),
    step(scene, 'Released', `${taint} is off, pods may come again`, [
      node.find(({ object, old }) => !hasTaint(object, taint) && hasTaint(old as Node, taint)),
    ]),
  ];
}

/** The lane without: what stock Kubernetes does until the machine comes back, and afterwards. */
export function unprotectedSteps(scene: Scene, powerOnAt: number | undefined): readonly Step[] {
  const old = podsThen(scene);
  const uids = new Set(old.map((pod) => pod.metadata.uid));
  const pvs = pvsOf(scene, old);
  const after = scene.changes.filter((change) => change.at >= scene.powerOffAt);
  const unready = ofNode(scene, after).find(
    ({ object }) => object.status?.conditions?.some(isReadyUnknown) === true,
  );
  const until = powerOnAt ?? after.at(-1)?.at ?? scene.powerOffAt;
  const still = podsStill(scene, uids, until);
  const elsewhere = firstPer(
    of(after, 'volumeattachments').filter(({ object }) => object.spec.nodeName !== scene.node),
    pvs,
    ({ object }) => object.status?.attached === true,
  );
  const resumed = resumedAt(scene);
  return [
    lastWrite(scene),
    ...(unready === undefined
      ? []
      : [step(scene, 'Node Ready=Unknown', 'node lifecycle controller, after 50 s', [unready])]),
    {
      title: `${still} of ${uids.size} pods still bound to dead ${scene.node}`,
      detail: 'phase Running, volumes attached; nothing in stock Kubernetes frees them',
      atMs: until - scene.powerOffAt,
    },
    step(scene, 'Replacements attached elsewhere', '', elsewhere),
    ...(resumed === undefined
      ? []
      : [
          {
            title: 'Same pods write again',
            detail: `only because ${scene.node} itself came back`,
            atMs: resumed,
          },
        ]),
  ];
}

/** The epochs of all fence records of this node after the failure, in order. */
export function epochsOf(scene: Scene): readonly string[] {
  const records = heartbeats(scene, scene.changes)
    .filter(({ at }) => at >= scene.powerOffAt)
    .map(({ object }) => decodeFenceRecord(object.metadata.annotations?.[fenceAnnotation]));
  return [...new Set(records.flatMap((record) => record?.epoch ?? []))];
}

function intent(scene: Scene, after: readonly Change[]): Step {
  const found = heartbeats(scene, after).find(
    ({ object }) => decodeFenceRecord(object.metadata.annotations?.[fenceAnnotation]) !== undefined,
  );
  const record = decodeFenceRecord(found?.object.metadata.annotations?.[fenceAnnotation]);
  const silent = (leases: readonly (Change & { object: Lease })[]): string => {
    const last = leases
      .filter(({ at, object, old }) => at < (found?.at ?? 0) && renewed(object, old as Lease))
      .at(-1);
    return last === undefined || found === undefined ? '' : seconds(found.at - last.at, 1).slice(1);
  };
  const kubelet = changesOf(scene, 'leases').filter(
    ({ object }) =>
      object.metadata.name === scene.node && object.metadata.namespace === 'kube-node-lease',
  );
  const detail =
    `heartbeat silent for ${silent(heartbeats(scene, scene.changes))} s, ` +
    `kubelet lease for ${silent(kubelet)} s`;
  return step(scene, `Verdict ${record?.reason ?? 'Lost'}, intent written`, detail, [found]);
}

function outOfService(scene: Scene, after: readonly Change[]): Step {
  const ours = (node: Node | undefined): boolean =>
    node?.spec?.taints?.some(
      (taint) => taint.key === outOfServiceTaint && taint.value === outOfServiceValue(scene.driver),
    ) === true;
  const set = ofNode(scene, after).find(({ object }) => ours(object));
  const off = ofNode(scene, after).find(({ object, old }) => !ours(object) && ours(old as Node));
  const lasted =
    set === undefined || off === undefined ? '' : ` for ${seconds(off.at - set.at).slice(1)} s`;
  return step(scene, 'Out-of-service taint', `attach/detach acts at once${lasted}`, [set]);
}

function lastWrite(scene: Scene): Step {
  const then = workloadsOf(scene).flatMap((workload) =>
    workload.spans.filter((span) => span.fromMs <= 0).slice(-1),
  );
  const last = then.length === 0 ? undefined : Math.max(...then.map((span) => span.toMs));
  return { title: 'Last write', detail: `acknowledged to ${scene.node}`, atMs: last };
}

function firstWrites(scene: Scene): Step {
  const first = workloadsOf(scene).map(
    (workload) => workload.spans.find((span) => span.machine !== scene.node)?.fromMs,
  );
  const all = first.every((at) => at !== undefined) && first.length > 0;
  return {
    title: 'Every replacement has written',
    detail: `${first.length} of ${first.length} volumes in use again`,
    atMs: all ? Math.max(...first) : undefined,
  };
}

/** When the last slot of the lane was written again by anybody. */
function resumedAt(scene: Scene): number | undefined {
  const first = workloadsOf(scene).map(
    (workload) => workload.spans.find((span) => span.fromMs > 0)?.fromMs,
  );
  const all = first.every((at) => at !== undefined) && first.length > 0;
  return all ? Math.max(...first) : undefined;
}

/** The step happened when the last of what it needs happened; never, if one of them did not. */
function step(
  scene: Scene,
  title: string,
  detail: string,
  needed: readonly (Change | undefined)[],
): Step {
  const times = needed.map((change) => change?.at);
  const all = times.length > 0 && times.every((at) => at !== undefined);
  return { title, detail, atMs: all ? Math.max(...times) - scene.powerOffAt : undefined };
}

function firstPer<C extends Change & { object: VolumeAttachment }>(
  changes: readonly C[],
  pvs: ReadonlySet<string>,
  holds: (change: C) => boolean,
): readonly (C | undefined)[] {
  return [...pvs].map((pv) =>
    changes.find(
      (change) => change.object.spec.source.persistentVolumeName === pv && holds(change),
    ),
  );
}

function atLeast<C>(wanted: number, found: readonly C[]): readonly (C | undefined)[] {
  return found.length < wanted ? [undefined] : found.slice(0, wanted);
}

function nodeNames(changes: readonly (Change & { object: Pod })[]): readonly string[] {
  const names = changes.map(({ object }) => object.spec.nodeName ?? '');
  return [...new Set(names.filter((name) => name !== ''))].sort();
}

function isReady(node: Node): boolean {
  return (
    node.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ===
    true
  );
}

function isReadyUnknown(condition: { readonly type: string; readonly status: string }): boolean {
  return condition.type === 'Ready' && condition.status === 'Unknown';
}

function renewed(lease: Lease, old: Lease | undefined): boolean {
  return lease.spec?.renewTime !== old?.spec?.renewTime;
}

function isBound(pod: Pod | undefined): boolean {
  return (pod?.spec.nodeName ?? '') !== '';
}

function finalizers(object: VolumeAttachment): readonly string[] {
  return object.metadata.finalizers ?? [];
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}
