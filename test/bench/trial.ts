/** One measured failover: a bed of its own, pods on one machine, the power goes off. */
import { setTimeout as sleep } from 'node:timers/promises';
import { enabledLabel, heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import { ClusterFoundation } from '../cluster/cluster-foundation.ts';
import type { Cluster } from '../cluster/start-cluster.ts';
import { bundlePath, type MachineBed, startBedOn } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import { slotOfPlan, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { Pod } from '../model/objects.ts';
import type { Method } from './methods.ts';
import { countByKind, requestsSince } from './request-log.ts';
import { type Timeline, timelineOf } from './timeline.ts';

export interface TrialOptions {
  /** Tells trials on one cluster apart: lower-case letters and digits. */
  readonly name: string;
  readonly method: Method;
  readonly pods: number;
  /** Of external-attacher; default none. */
  readonly attacherFlags?: readonly string[];
  /** Our own program; default: what this checkout builds. */
  readonly bundle?: string;
}

export interface Trial extends Timeline {
  /** Its key. */
  readonly method: string;
  readonly pods: number;
  /** Violations that the array's judge found. */
  readonly violations: number;
  /** From power-off to the end, without watches, Events and leader election: by client and kind. */
  readonly requests: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

const machineNames = ['a', 'b', 'c'] as const;

/** Sets up, breaks, measures, and takes everything away again. */
export async function runTrial(cluster: Cluster, options: TrialOptions): Promise<Trial> {
  const { name, method, pods, attacherFlags = [], bundle = bundlePath } = options;
  const driverName = `${name}.csi.test`;
  await using bed = await startBedOn(
    (site) => ClusterFoundation.lay(cluster, site, { attacherFlags }),
    {
      driverName,
      namespace: driverNamespace(name),
      machines: machineNames.map((letter) => `${name}-${letter}`),
      bundle: method.controllerFlags === undefined ? undefined : bundle,
      controllerFlags: method.controllerFlags ?? [],
      // A hundred writers of five blocks a second each would be measured as well.
      ...(pods > 20 ? { writeIntervalMs: 1_000 } : {}),
    },
  );
  await bed.bootAll(120_000);
  const victim = bed.machines[0]?.name ?? '';
  const plans = Array.from(
    { length: pods },
    (_, index): WorkloadPlan => ({
      kind: 'StatefulSet',
      namespace: name,
      name: `web-${index}`,
      labels: { [enabledLabel]: 'true' },
      driverName,
      // Other trials may have machines on the same cluster, without this driver.
      nodes: bed.machines.map(({ name: machine }) => machine),
    }),
  );
  await place(bed, plans, victim);
  if (method.controllerFlags !== undefined) await watched(bed, driverNamespace(name));
  // Every clock has begun, and every limit of requests has filled up again.
  await sleep(10_000);
  return await fail(cluster, bed, { ...options, plans, victim });
}

async function fail(
  cluster: Cluster,
  bed: MachineBed<ClusterFoundation>,
  { name, method, pods, plans, victim }: TrialOptions & Broken,
): Promise<Trial> {
  const podUids = new Set(podsOf(bed, plans).map(({ metadata }) => metadata.uid));
  const before = bed.changes.length;
  const powerOffAt = Date.now();
  await bed.machine(victim).powerOff();
  const detected = method.act({ bed, victim, powerOffAt });
  // It is awaited below; until then nobody else looks at it.
  detected.catch(() => undefined);
  await sleep(1_000);
  await settled(bed, plans, { podUids, until: powerOffAt + method.patienceMs });
  const detectedAt = await detected.catch(() => undefined);
  const [{ writers, violations }, records] = await Promise.all([
    bed.array.verdict(),
    bed.array.records(),
  ]);
  const leading = leaderLease(bed.driverName);
  const requests = (await requestsSince(cluster, powerOffAt)).filter(
    ({ objectRef }) => objectRef?.name !== leading,
  );
  return {
    method: method.key,
    pods,
    violations: violations.length,
    requests: {
      'csi-failover': countByKind(requests, `:${driverNamespace(name)}:csi-failover-controller`),
      'external-attacher': countByKind(requests, 'csi-attacher'),
      'attach/detach': countByKind(requests, ':attachdetach-controller'),
    },
    ...timelineOf({
      victim,
      plans,
      podUids,
      powerOffAt,
      detectedAt,
      changes: bed.changes.slice(before),
      records,
      writers,
    }),
  };
}

interface Broken {
  readonly plans: readonly WorkloadPlan[];
  readonly victim: string;
}

/** Runs the workloads on the victim; resolves when all of them write. */
async function place(
  bed: MachineBed<ClusterFoundation>,
  plans: readonly WorkloadPlan[],
  victim: string,
): Promise<void> {
  const others = bed.machines.map(({ name }) => name).filter((name) => name !== victim);
  await bed.cordon(others, true);
  await Promise.all(
    Array.from({ length: 4 }, async (_, worker) => {
      for (const plan of plans.filter((_, index) => index % 4 === worker)) {
        await bed.addWorkload(plan);
      }
    }),
  );
  await settled(bed, plans, { podUids: new Set(), until: Date.now() + 240_000 });
  const { writers } = await bed.array.verdict();
  if (new Set(writers.map(({ slot }) => slot)).size < plans.length) {
    throw new Error(`only ${writers.length} of ${plans.length} pods write`);
  }
  await bed.cordon(others, false);
}

/** Waits until every plan has a pod that runs and writes and is none of those known, or until then. */
async function settled(
  bed: MachineBed<ClusterFoundation>,
  plans: readonly WorkloadPlan[],
  { podUids, until }: { readonly podUids: ReadonlySet<string>; readonly until: number },
): Promise<void> {
  for (; Date.now() < until; await sleep(250)) {
    const running = podsOf(bed, plans).filter(
      ({ metadata, status }) => !podUids.has(metadata.uid) && status?.phase === 'Running',
    );
    if (running.length < plans.length) continue;
    const { writers } = await bed.array.verdict();
    const slots = new Set(
      writers
        .filter(({ podUid, accepted }) => !podUids.has(podUid) && accepted > 0)
        .map(({ slot }) => slot),
    );
    if (plans.every((plan) => slots.has(slotOfPlan(plan)))) return;
  }
}

function podsOf(
  bed: MachineBed<ClusterFoundation>,
  plans: readonly WorkloadPlan[],
): readonly Pod[] {
  const namespace = plans[0]?.namespace;
  return bed.foundation.all('pods').filter(({ metadata }) => metadata.namespace === namespace);
}

/** Somebody leads, and every machine has a heartbeat. */
async function watched(
  { foundation, driverName, machines }: MachineBed<ClusterFoundation>,
  namespace: string,
): Promise<void> {
  const find = (name: string): boolean =>
    foundation.find('leases', name, namespace)?.spec?.holderIdentity !== undefined;
  await eventually(
    () =>
      find(leaderLease(driverName)) &&
      machines.every(({ name }) => find(heartbeatLease(driverName, name))),
    { what: 'a leader, and a heartbeat of every machine', withinMs: 60_000 },
  );
}

function driverNamespace(name: string): string {
  return `${name}-driver`;
}
