import type { Outcome } from '../shared/outcome.ts';
import type { WatchFact } from '../shared/watch-fact.ts';
import type { Action } from './actions.ts';

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

/** What the driver says it can do; undefined until it has answered once. */
export interface DriverCapabilities {
  readonly publishUnpublish: boolean;
  /** LIST_VOLUMES and LIST_VOLUMES_PUBLISHED_NODES, and it really answers. */
  readonly listsPublishedNodes: boolean;
}

/** All that controller mode can learn. */
export type Fact =
  | WatchFact
  /**
   * We lead, or not. `renewal` is the resourceVersion of our own last acknowledged renewal; it
   * must come back through the heartbeats watch, or that watch is not to be believed.
   */
  | { readonly kind: 'Leadership'; readonly leading: boolean; readonly renewal: string }
  | { readonly kind: 'Driver'; readonly capabilities: DriverCapabilities }
  /** Our process did not run for a while: what looks like silence of others may be our own. */
  | { readonly kind: 'Suspended'; readonly gapMs: number }
  | { readonly kind: 'Settled'; readonly action: Action; readonly outcome: Outcome };
