/** What has befallen Leases: who renewed when, who leads since when, and which records went. */
import { heartbeatLease, leaderLease, reportAnnotation } from '../../src/shared/names.ts';
import { decodeNodeReport, type FenceRecord } from '../../src/shared/record.ts';
import type { StoreEvent } from '../model/event-log.ts';
import type { Lease } from '../model/objects.ts';
import { keyOf } from '../model/stored-object.ts';
import { recordIn, recordOf } from './fence-records.ts';
import type { World } from './world.ts';

/** For so long somebody may not have noticed that a record is gone. */
const recentMs = 15_000;

interface Leader {
  readonly holder: string;
  readonly since: number;
}

export class LeaseHistory {
  readonly #world: World;
  readonly #renewedAt = new Map<string, number>();
  readonly #leaders = new Map<string, Leader>();
  readonly #removedRecords = new Map<string, { record: FenceRecord; at: number }>();
  /** By Lease and epoch. */
  readonly #attested = new Set<string>();

  constructor(world: World) {
    this.#world = world;
    world.store.subscribe((event) => {
      if (event.resource === 'leases') this.#observe(event as StoreEvent<'leases'>);
    });
  }

  /** When this Lease was renewed last, by whoever it belongs to. */
  renewedAt(key: string): number | undefined {
    return this.#renewedAt.get(key);
  }

  /** Who leads the replicas beside this driver, and since when. */
  leader(driver: string): Leader {
    return this.#leaders.get(leaderLease(driver)) ?? { holder: '', since: 0 };
  }

  /** Whether the agent has ever said that the machine is clean of this episode. */
  hasAttested(driver: string, node: string, epoch: string): boolean {
    return this.#attested.has(`${heartbeatLease(driver, node)} ${epoch}`);
  }

  /**
   * The record that stands, and one that a person has just taken away: between the look at it and
   * what follows another one may have been begun.
   */
  recentRecords(driver: string, node: string): readonly FenceRecord[] {
    const standing = recordOf(this.#world, driver, node);
    const removed = this.#removedRecords.get(heartbeatLease(driver, node));
    const recent = removed !== undefined && this.#world.now - removed.at < recentMs;
    return [standing, recent ? removed.record : undefined].filter((one) => one !== undefined);
  }

  #observe({ type, object, old }: StoreEvent<'leases'>): void {
    const { now } = this.#world;
    const { name, namespace, annotations } = object.metadata;
    if (type === 'DELETED') {
      const record = recordIn(old);
      if (record !== undefined) this.#removedRecords.set(name, { record, at: now });
      return;
    }
    const key = keyOf(namespace, name);
    const [is, was]: readonly (Lease['spec'] | undefined)[] = [object.spec, old?.spec];
    if (is?.renewTime !== undefined && is.renewTime !== was?.renewTime) {
      this.#renewedAt.set(key, now);
    }
    const holder = is?.holderIdentity ?? '';
    if (holder !== was?.holderIdentity) this.#leaders.set(name, { holder, since: now });
    const report = annotations?.[reportAnnotation];
    if (report === undefined || report === old?.metadata.annotations?.[reportAnnotation]) return;
    const clean = decodeNodeReport(report)?.clean;
    if (clean !== undefined) this.#attested.add(`${name} ${clean.epoch}`);
  }
}
