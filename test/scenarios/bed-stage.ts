import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { switchConfigMap } from '../../src/shared/names.ts';
import type { RequestRecord } from '../double/api-server.ts';
import type { WriterSummary } from '../array/judge.ts';
import { type ShownEvent, shownEvent } from '../demo/describe.ts';
import type { MachineBed } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import type { Change, Foundation } from '../machine/foundation.ts';
import { slotOfPlan, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { AnyObject, Objects, Pod, ResourceName } from '../model/objects.ts';
import {
  type BegunEpisode,
  crimesIn,
  episodesIn,
  leftOvers,
  marksIn,
  movesIn,
  touchesIn,
} from './traces.ts';
import { type Freshness, writesOn } from './writes-on.ts';

/** A moment from which on changes are looked at. */
export interface Mark {
  readonly changes: number;
  readonly at: number;
}

export interface Asked {
  readonly kind: string;
  readonly name: string | undefined;
  readonly reason: string;
  /** What the sentence must contain. */
  readonly says?: string;
  readonly withinMs?: number;
}

/**
 * A bed with workloads on known machines, and the questions that scenarios ask of it, on whatever
 * control plane.
 */
export class BedStage<F extends Foundation, B extends MachineBed<F> = MachineBed<F>>
  implements AsyncDisposable
{
  readonly bed: B;
  readonly #name: string;
  #closed = false;

  /** `name` is that of the folder below .cache/scenarios in which logs are kept. */
  constructor(bed: B, name: string) {
    this.bed = bed;
    this.#name = name;
  }

  /** Whether this concerns our bed; for a cluster that carries others. */
  protected isOwn(_resource: ResourceName, _object: AnyObject): boolean {
    return true;
  }

  /** Everything that happened to objects of ours since the bed stands. */
  changes(since?: Mark): readonly Change[] {
    const all = since === undefined ? this.bed.changes : this.bed.changes.slice(since.changes);
    return all.filter(({ resource, object }) => this.isOwn(resource, object));
  }

  /** The objects of ours that are there now. */
  all<R extends ResourceName>(resource: R): readonly Objects[R][] {
    return this.bed.foundation.all(resource).filter((object) => this.isOwn(resource, object));
  }

  /** Runs the workloads on this machine; resolves when all of them write. */
  async place(plans: readonly WorkloadPlan[], machine: string): Promise<void> {
    const { bed } = this;
    const others = bed.machines.map(({ name }) => name).filter((name) => name !== machine);
    await bed.cordon(others, true);
    for (const plan of plans) await bed.addWorkload(plan);
    for (const plan of plans) await this.writesOn(plan, machine, { withinMs: 30_000 });
    await bed.cordon(others, false);
  }

  mark(): Mark {
    return { changes: this.bed.changes.length, at: Date.now() };
  }

  /** Pods that were ended and volumes that were taken away since then; empty: nothing moved. */
  movesSince(mark: Mark): readonly string[] {
    return movesIn(this.changes(mark));
  }

  /** Moves, and taints, records, intents and holds of ours. */
  touchesSince(mark: Mark): readonly string[] {
    const { driverName: driver } = this.bed;
    return touchesIn({ driver, changes: this.changes(mark), requests: [] });
  }

  /** What nobody but we can have done: taints, records, intents, holds, evictions. */
  oursSince(mark: Mark): readonly string[] {
    return marksIn({ driver: this.bed.driverName, changes: this.changes(mark), requests: [] });
  }

  /** Taints, records, intents and holds of ours that stand now. */
  leftOvers(): readonly string[] {
    return leftOvers(this, this.bed.driverName);
  }

  /** What no episode may ever do, in the whole of this run. */
  crimes(): readonly string[] {
    const { driverName: driver } = this.bed;
    return crimesIn({ driver, changes: this.changes(), requests: this.requests() });
  }

  /** What the controllers asked of the API, where that is recorded with bodies. */
  protected requests(): readonly RequestRecord[] {
    return [];
  }

  /** Every fence record that was begun. */
  episodes(): readonly BegunEpisode[] {
    return episodesIn(this.changes());
  }

  /** Waits until nothing of ours is left. */
  async released(withinMs: number): Promise<void> {
    await eventually(() => this.leftOvers().length === 0, {
      what: 'nothing of ours to be left',
      withinMs,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; left: ${this.leftOvers().join(', ')}`);
    });
  }

  /** The pod of the plan, the newest if there are several. */
  podOf(plan: WorkloadPlan): Pod | undefined {
    return this.all('pods')
      .filter(
        ({ metadata }) =>
          metadata.namespace === plan.namespace && metadata.labels?.['app'] === plan.name,
      )
      .at(-1);
  }

  /** Waits until the last accepted write of the plan is of this machine, and a fresh one. */
  async writesOn(
    plan: WorkloadPlan,
    machine: string | readonly string[],
    freshness: Freshness = {},
  ): Promise<WriterSummary> {
    return await writesOn(plan, machine, () => this.bed.lastWriter(plan), freshness);
  }

  /** Waits until all of these write on another machine than this one. */
  async move(
    plans: readonly WorkloadPlan[],
    from: string,
    withinMs = 20_000,
  ): Promise<readonly WriterSummary[]> {
    const others = this.bed.machines.map(({ name }) => name).filter((name) => name !== from);
    return await Promise.all(plans.map((plan) => this.writesOn(plan, others, { withinMs })));
  }

  /** The machines on which the plan's volume was ever written. */
  async machinesOf(plan: WorkloadPlan): Promise<readonly string[]> {
    const { writers } = await this.bed.array.verdict();
    const own = writers.filter(({ slot, accepted }) => slot === slotOfPlan(plan) && accepted > 0);
    return [...new Set(own.map(({ nodeId }) => nodeId))];
  }

  /** Sentences that the array's judge objects to; empty: zero violations. */
  async violations(): Promise<readonly string[]> {
    const { violations } = await this.bed.array.verdict();
    return violations.map(
      ({ entry, replacedBy }) => `${entry.slot} of ${entry.nodeId} after ${replacedBy}`,
    );
  }

  /** Read back from the API, as kubectl describe does. */
  async events(): Promise<readonly ShownEvent[]> {
    const events = (await this.bed.api.list('events')) ?? [];
    return events.filter((event) => this.isOwn('events', event)).map(shownEvent);
  }

  /** Waits for an Event. */
  async event({ kind, name, reason, says = '', withinMs = 15_000 }: Asked): Promise<ShownEvent> {
    const find = async (): Promise<ShownEvent | undefined> =>
      (await this.events()).find(
        (event) =>
          event.kind === kind &&
          event.name === name &&
          event.reason === reason &&
          event.message.includes(says),
      );
    const what = `Event ${reason} (${says}) on ${kind} ${name}`;
    return await eventually(find, { what, withinMs, everyMs: 100 });
  }

  /** Switches of the ConfigMap, as a person writes them. */
  async say(data: Readonly<Record<string, string>>): Promise<void> {
    const place = { namespace: this.bed.installations[0]?.namespace, name: switchConfigMap };
    const there = (await this.bed.api.get('configmaps', place)).status === 200;
    const answer = there
      ? await this.bed.api.patch('configmaps', place, { data })
      : await this.bed.api.create('configmaps', { metadata: place, data });
    if (answer.object === undefined) throw new Error(`ConfigMap: ${answer.message}`);
  }

  /** Ends everything and keeps logs and Events. Answers the run's id. */
  async close(): Promise<string> {
    if (!this.#closed) {
      this.#closed = true;
      const folder = fileURLToPath(
        new URL(`../../.cache/scenarios/${this.#name}`, import.meta.url),
      );
      this.bed.saveLogs(folder);
      mkdirSync(folder, { recursive: true });
      const events = (await this.events().catch(() => [])).toSorted((a, b) => a.at - b.at);
      const lines = events.map(
        ({ at, kind, name, reason, message }) =>
          `${new Date(at).toISOString()} ${kind}/${name} ${reason}: ${message}\n`,
      );
      writeFileSync(join(folder, 'events.txt'), lines.join(''));
      const verdict = await this.bed.array.verdict().catch((error: unknown) => String(error));
      writeFileSync(join(folder, 'verdict.json'), JSON.stringify(verdict, undefined, 2));
      await this.bed[Symbol.asyncDispose]();
    }
    return this.bed.runId;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
