import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../src/shared/effect.ts';
import { enabledLabel, leaderLease } from '../../src/shared/names.ts';
import type { JournalEntry, WriterSummary } from '../array/judge.ts';
import { type ShownEvent, shownEvent } from '../demo/describe.ts';
import { collections, createWorkload, must } from '../machine/create-workload.ts';
import { eventually } from '../machine/eventually.ts';
import type { Change } from '../machine/foundation.ts';
import {
  otherVolumes,
  pvName,
  slotOfPlan,
  volumeHandle,
  type WorkloadPlan,
} from '../machine/workload-objects.ts';
import type { Pod } from '../model/objects.ts';
import type { Mark } from '../scenarios/bed-stage.ts';
import { crimesIn, episodesIn, leftOvers, marksIn, movesIn } from '../scenarios/traces.ts';
import { type Freshness, writesOn } from '../scenarios/writes-on.ts';
import { driverName, Installation, type InstallationOptions } from './installation.ts';
import { RealBed, type RealBedOptions } from './real-bed.ts';
import { checkVolume, replayJournal, type VolumeState } from './volume-check.ts';
import { realWorkloadObject } from './workload.ts';

/** A StatefulSet of one pod, in the namespace `default`. */
export function unlabelled(name: string, more: Partial<WorkloadPlan> = {}): WorkloadPlan {
  return { kind: 'StatefulSet', namespace: 'default', name, driverName, ...more };
}

/** One that asked to be protected. */
export function labelled(name: string, more: Partial<WorkloadPlan> = {}): WorkloadPlan {
  return unlabelled(name, { labels: { [enabledLabel]: 'true' }, ...more });
}

export type StageOptions = RealBedOptions & InstallationOptions;

/** A bed with the worked example installed, and the questions that scenarios ask of it. */
export class RealStage implements AsyncDisposable {
  readonly bed: RealBed;
  readonly installation: Installation;
  readonly #name: string;

  /** `name` is that of the folder below .cache/real in which logs are kept. */
  static async open(name: string, options: StageOptions = {}): Promise<RealStage> {
    const bed = await RealBed.start(options);
    try {
      return new RealStage(name, bed, await Installation.apply(bed, options));
    } catch (error: unknown) {
      bed.saveLogs(folderOf(name));
      await bed[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(name: string, bed: RealBed, installation: Installation) {
    this.#name = name;
    this.bed = bed;
    this.installation = installation;
  }

  /** The StatefulSet of manifests/examples/workload, for a plan named `ledger`. */
  async example(): Promise<JsonObject> {
    const folder = fileURLToPath(new URL('../../manifests/examples/workload', import.meta.url));
    const read = ['create', '--dry-run=client', '--output=json', '-k', folder];
    return JSON.parse(await this.bed.cluster.kubectl(read)) as JsonObject;
  }

  /** Runs the workload, on this machine if one is named; resolves when it writes. */
  async place(
    plan: WorkloadPlan,
    machine?: string,
    object: JsonObject = realWorkloadObject(plan),
  ): Promise<WriterSummary> {
    await this.bind(plan, machine, object);
    const names = this.bed.machines.map(({ name }) => name);
    return await this.writesOn(plan, names, { withinMs: 60_000 });
  }

  /** The same; resolves when its pod has a node. */
  async bind(
    plan: WorkloadPlan,
    machine?: string,
    object: JsonObject = realWorkloadObject(plan),
  ): Promise<void> {
    const names = this.bed.machines.map(({ name }) => name);
    const others = machine === undefined ? [] : names.filter((name) => name !== machine);
    await this.cordon(others, true);
    await createWorkload(this.bed, plan, object);
    const place = (): string | undefined => this.podOf(plan)?.spec.nodeName;
    await eventually(() => place() !== undefined && place() === (machine ?? place()), {
      what: `${plan.name} to have a node`,
      withinMs: 60_000,
    });
    await this.cordon(others, false);
  }

  /** Nodes that take no new pods. */
  async cordon(names: readonly string[], unschedulable: boolean): Promise<void> {
    for (const name of names) {
      must(await this.bed.api.patch('nodes', { name }, { spec: { unschedulable } }));
    }
  }

  mark(): Mark {
    return { changes: this.bed.changes.length, at: Date.now() };
  }

  changes(since: Mark): readonly Change[] {
    return this.bed.changes.slice(since.changes);
  }

  /** Pods that were ended and volumes that were taken away since then; empty: nothing moved. */
  movesSince(mark: Mark): readonly string[] {
    return movesIn(this.changes(mark));
  }

  /** What nobody but we can have done: taints, records, intents, holds, evictions. */
  oursSince(mark: Mark): readonly string[] {
    return marksIn({ driver: driverName, changes: this.changes(mark), requests: [] });
  }

  /** What no failover may ever do, since the bed stands; empty: nothing of it was done. */
  crimes(): readonly string[] {
    return crimesIn({ driver: driverName, changes: this.bed.changes, requests: [] });
  }

  /** How many failovers have begun since then. */
  episodesSince(mark: Mark): number {
    return episodesIn(this.changes(mark)).length;
  }

  /** Waits until nothing of ours is left. */
  async released(withinMs: number): Promise<void> {
    const left = (): readonly string[] => leftOvers(this.bed.watch, driverName);
    await eventually(() => left().length === 0, {
      what: 'nothing of ours to be left',
      withinMs,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; left: ${left().join(', ')}`);
    });
  }

  /** What of ours stands in the cluster: marks on other objects, and Leases. */
  left(): readonly string[] {
    const leases = this.bed.watch.all('leases').map(({ metadata }) => metadata.name);
    const own = leases.filter(
      (name) => name.startsWith(driverName) || name === leaderLease(driverName),
    );
    return [...leftOvers(this.bed.watch, driverName), ...own];
  }

  podOf(plan: WorkloadPlan): Pod | undefined {
    return this.bed.watch
      .all('pods')
      .filter(
        ({ metadata }) =>
          metadata.namespace === plan.namespace && metadata.labels?.['app'] === plan.name,
      )
      .at(-1);
  }

  /** Waits until the last accepted write of the plan is of one of these machines, and a fresh one. */
  async writesOn(
    plan: WorkloadPlan,
    machine: string | readonly string[],
    freshness: Freshness = {},
  ): Promise<WriterSummary> {
    return await writesOn(
      plan,
      machine,
      async () => (await this.writersOf(plan)).at(-1),
      freshness,
    );
  }

  /** Waits until it writes on another machine than this one. */
  async moves(plan: WorkloadPlan, from: string, withinMs: number): Promise<WriterSummary> {
    const others = this.bed.machines.map(({ name }) => name).filter((name) => name !== from);
    return await this.writesOn(plan, others, { withinMs });
  }

  /** Pods of the plan that had a write accepted, in the order of their last one. */
  async writersOf(plan: WorkloadPlan): Promise<readonly WriterSummary[]> {
    const { writers } = await this.bed.array.verdict();
    return writers
      .filter(({ slot, accepted }) => slot === slotOfPlan(plan) && accepted > 0)
      .toSorted((a, b) => (a.lastAcceptedAt ?? 0) - (b.lastAcceptedAt ?? 0));
  }

  /** Waits until a write of this machine to the plan's volume was refused. */
  async refused(plan: WorkloadPlan, machine: string, since = 0): Promise<void> {
    await eventually(
      async () =>
        (await this.bed.array.journal()).some(
          ({ handle, nodeId, accepted, time }) =>
            handle === volumeHandle(plan) && nodeId === machine && !accepted && time >= since,
        ),
      { what: `a write of ${machine} for ${plan.name} to be refused`, withinMs: 20_000 },
    );
  }

  /** Sentences that the array's judge objects to, for its volumes; empty: no replaced pod wrote. */
  async violations(plan: WorkloadPlan): Promise<readonly string[]> {
    const { violations, gaps } = await this.bed.array.verdict();
    const handles = volumesOf(plan).map(volumeHandle);
    const own = ({ handle }: { readonly handle: string }): boolean => handles.includes(handle);
    return [
      ...violations
        .filter(({ entry }) => own(entry))
        .map(({ entry, replacedBy }) => `${entry.nodeId} wrote after ${replacedBy}`),
      ...gaps.filter(own).map(({ nodeId, seq }) => `a gap before record ${seq} of ${nodeId}`),
    ];
  }

  /** Waits for an Event. */
  async event(asked: {
    readonly kind: string;
    readonly name: string;
    readonly reason: string;
    /** Words that its message has. */
    readonly says?: string;
    /** An older one does not count. */
    readonly since?: number;
    readonly withinMs?: number;
  }): Promise<ShownEvent> {
    const { kind, name, reason, says = '', since = 0, withinMs = 15_000 } = asked;
    return await eventually(
      async () =>
        ((await this.bed.api.list('events')) ?? []).map(shownEvent).find(
          (one) =>
            one.kind === kind &&
            one.name === name &&
            one.reason === reason &&
            one.message.includes(says) &&
            // Most Events tell their time in whole seconds.
            one.at >= since - (since % 1_000),
        ),
      { what: `Event ${reason} on ${kind} ${name} ${says}`.trim(), withinMs, everyMs: 200 },
    );
  }

  /** Sentences about what is wrong with the plan's volumes; empty: all is whole. Ends the workload. */
  async damage(plan: WorkloadPlan): Promise<readonly string[]> {
    await this.#end(plan);
    const looked = volumesOf(plan).map(async (volume) =>
      damageIn(checkVolume(await this.#imageOf(volume), await this.#written(volume))),
    );
    return (await Promise.all(looked)).flat();
  }

  /** The same while it goes on: of the volumes as the next who mounts them would find them now. */
  async damageSoFar(plan: WorkloadPlan): Promise<readonly string[]> {
    const looked = volumesOf(plan).map(async (volume) => {
      // What the array took later need not be in the image.
      const written = await this.#written(volume);
      const image = await this.#imageOf(volume);
      replayJournal(image);
      return damageIn(checkVolume(image, written));
    });
    return (await Promise.all(looked)).flat();
  }

  /** As a person ends it. */
  async #end(plan: WorkloadPlan): Promise<void> {
    const place = { namespace: plan.namespace, name: plan.name };
    await this.bed.api.delete(collections[plan.kind], place, { gracePeriodSeconds: 5 });
    const volumes = volumesOf(plan).map(pvName);
    const attached = (): boolean =>
      this.bed.watch
        .all('volumeattachments')
        .some(({ spec }) => volumes.includes(spec.source.persistentVolumeName ?? ''));
    await eventually(() => this.podOf(plan) === undefined && !attached(), {
      what: `${plan.name} to be gone, and its volumes to be detached`,
      withinMs: 120_000,
    });
  }

  /** All of it, as it was at one moment. */
  async #imageOf(plan: WorkloadPlan): Promise<string> {
    const file = join(this.bed.folder, `${volumeHandle(plan)}.img`);
    await this.bed.array.save(volumeHandle(plan), file);
    return file;
  }

  async #written(plan: WorkloadPlan): Promise<readonly JournalEntry[]> {
    const journal = await this.bed.array.journal();
    // Of whoever shares the volume there is another file on it.
    return journal.filter(
      ({ handle, slot }) => handle === volumeHandle(plan) && slot === slotOfPlan(plan),
    );
  }

  /** Ends everything and keeps logs and Events. */
  async [Symbol.asyncDispose](): Promise<void> {
    const folder = folderOf(this.#name);
    this.bed.saveLogs(folder);
    mkdirSync(folder, { recursive: true });
    const events = ((await this.bed.api.list('events')) ?? []).map(shownEvent);
    const lines = events
      .toSorted((a, b) => a.at - b.at)
      .map(
        ({ at, kind, name, reason, message }) =>
          `${new Date(at).toISOString()} ${kind}/${name} ${reason}: ${message}\n`,
      );
    writeFileSync(join(folder, 'events.txt'), lines.join(''));
    const verdict = await this.bed.array.verdict().catch((error: unknown) => String(error));
    writeFileSync(join(folder, 'verdict.json'), JSON.stringify(verdict, undefined, 2));
    await this.bed[Symbol.asyncDispose]();
  }
}

function volumesOf(plan: WorkloadPlan): readonly WorkloadPlan[] {
  return [plan, ...otherVolumes(plan)];
}

function damageIn({ complaints, contiguous, records, lost }: VolumeState): readonly string[] {
  return [
    ...(complaints === '' ? [] : [`e2fsck: ${complaints}`]),
    ...(contiguous === records ? [] : [`${records} records, of which ${contiguous} in a row`]),
    ...(lost === 0 ? [] : [`${lost} acknowledged records are lost`]),
  ];
}

function folderOf(name: string): string {
  return fileURLToPath(new URL(`../../.cache/real/${name}`, import.meta.url));
}
