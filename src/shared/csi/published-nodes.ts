import type { Outcome } from '../outcome.ts';
import { type ListingOptions, readListing } from './listing.ts';
import type { VolumeEntry } from './messages.ts';

export interface PublishedNodesResult {
  readonly outcome: Outcome;
  /** Per handle asked for; one that was not listed is absent. Empty unless the outcome is Done. */
  readonly publishedNodes: ReadonlyMap<string, readonly string[]>;
}

export interface PublishedNodesQuery extends ListingOptions {
  readonly handles: readonly string[];
}

/** Reads through the whole ListVolumes and tells where the wanted volumes are published. */
export async function listPublishedNodes(
  query: PublishedNodesQuery,
): Promise<PublishedNodesResult> {
  const wanted = new Set(query.handles);
  let found = new Map<string, Set<string>>();
  const outcome = await readListing(query, '/csi.v1.Controller/ListVolumes', () => {
    found = new Map();
    return ({ entries }) => collect(entries ?? [], wanted, found);
  });
  if (outcome.kind !== 'Done') return { outcome, publishedNodes: new Map() };
  const entries = [...found].map(([handle, nodes]) => [handle, [...nodes]] as const);
  return { outcome, publishedNodes: new Map(entries) };
}

/**
 * A listing may repeat a volume while it changes. All nodes of all its entries count then: one
 * too many only delays, one too few would confirm a fence that does not hold.
 */
function collect(
  entries: readonly (VolumeEntry | null)[],
  wanted: ReadonlySet<string>,
  found: Map<string, Set<string>>,
): void {
  for (const entry of entries) {
    const handle = entry?.volume?.volume_id ?? '';
    if (!wanted.has(handle)) continue;
    const nodes = found.get(handle) ?? new Set<string>();
    for (const node of entry?.status?.published_node_ids ?? []) nodes.add(node);
    found.set(handle, nodes);
  }
}
