import type { Instant } from '../shared/clock.ts';
import type { LeaseView } from '../shared/model.ts';
import type { FenceRecord, NodeReport } from '../shared/record.ts';

/** A Lease together with when *we* saw it renewed. */
export interface SeenLease {
  view: LeaseView;
  /** When we observed the last change of renewTime (or the Lease itself for the first time). */
  renewedAt: Instant;
  /** How often we saw it change: 0 means that we know it from a listing only. */
  renewals: number;
  /** Since when it has been renewed without a pause. */
  steadySince: Instant;
  /** What it says, read once and not in every decision; only of heartbeats. */
  node: string | undefined;
  report: NodeReport | undefined;
  record: FenceRecord | undefined;
}
