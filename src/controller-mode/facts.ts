import type { Instant } from '../shared/clock.ts';
import type { VolumeHealth } from '../shared/health.ts';
import type { Outcome } from '../shared/outcome.ts';
import type { WatchFact } from '../shared/watch-fact.ts';
import type { Action, ActionOf } from './actions.ts';

/** The collections that this mode watches; each is one source of facts. */
export const sourceNames = [
  'nodes',
  'pods',
  'claims',
  'pvs',
  'attachments',
  'csinodes',
  'csidrivers',
  'namespaces',
  'configmaps',
  /** Leases in kube-node-lease. */
  'kubeletLeases',
  /** Leases of ours: heartbeats and the leader's, by label. */
  'heartbeats',
] as const;

export type SourceName = (typeof sourceNames)[number];

const knownSources: ReadonlySet<string> = new Set(sourceNames);

export function isSourceName(name: string): name is SourceName {
  return knownSources.has(name);
}

/** What the driver says it can do; undefined until it has answered once. */
export interface DriverCapabilities {
  readonly publishUnpublish: boolean;
  /** LIST_VOLUMES and LIST_VOLUMES_PUBLISHED_NODES, and it really answers. */
  readonly listsPublishedNodes: boolean;
  /** How its controller service tells the health of volumes, in whichever generation of CSI. */
  readonly health: 'list' | 'get' | 'none';
}

/** What the storage says of volumes, as the driver's controller service passes it on. */
export type HealthFact =
  /**
   * One pass over the driver's whole listing, to its end: a volume that is not in it was not
   * there. `Unknown` for a volume that was listed without a word on its health.
   */
  | {
      readonly kind: 'HealthListed';
      /** Before the first page was asked for. */
      readonly beganAt: Instant;
      readonly volumes: ReadonlyMap<string, VolumeHealth>;
    }
  /** One volume was asked for by name; a failed call is not this but `HealthUnread`. */
  | {
      readonly kind: 'HealthRead';
      readonly beganAt: Instant;
      readonly handle: string;
      /** Undefined: the driver says that there is no such volume (NOT_FOUND). */
      readonly health: VolumeHealth | undefined;
    }
  /** A pass or a call that brought nothing: unknown, which is neither healthy nor abnormal. */
  | {
      readonly kind: 'HealthUnread';
      readonly beganAt: Instant;
      /** Empty: the listing. */
      readonly handle: string;
      readonly code: string;
      readonly detail: string;
    };

/** All that controller mode can learn. */
export type Fact =
  | WatchFact
  /**
   * We lead, or not. `renewal` is the resourceVersion of our own last acknowledged renewal; it
   * must come back through the heartbeats watch, or that watch is not to be believed.
   */
  | { readonly kind: 'Leadership'; readonly leading: boolean; readonly renewal: string }
  | HealthFact
  | { readonly kind: 'Driver'; readonly capabilities: DriverCapabilities }
  /** Our process did not run for a while: what looks like silence of others may be our own. */
  | { readonly kind: 'Suspended'; readonly gapMs: number }
  /** The request that begins an episode goes out. */
  | { readonly kind: 'Begun'; readonly action: ActionOf<'BeginEpisode'> }
  | { readonly kind: 'Settled'; readonly action: Action; readonly outcome: Outcome };
