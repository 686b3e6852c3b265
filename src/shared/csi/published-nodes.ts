import type { Clock } from '../clock.ts';
import type { Outcome } from '../outcome.ts';
import { done, failed, unknown } from '../outcome.ts';
import type { CsiConnection } from './connection.ts';
import type { VolumeEntry } from './messages.ts';

export interface PublishedNodesResult {
  readonly outcome: Outcome;
  /** Per handle asked for; one that was not listed is absent. Empty unless the outcome is Done. */
  readonly publishedNodes: ReadonlyMap<string, readonly string[]>;
}

export interface PublishedNodesQuery {
  readonly connection: CsiConnection;
  readonly clock: Clock;
  readonly handles: readonly string[];
  /** For each page; the whole listing may take eight times as long. */
  readonly deadlineMs: number;
}

const maxRestarts = 3;
const listingDeadlines = 8;

/** One pass over the pages: either it reached the end, or it must begin again, or it failed. */
type Pass =
  | { readonly kind: 'Complete'; readonly found: Map<string, Set<string>> }
  | { readonly kind: 'Restart'; readonly outcome: Outcome }
  | { readonly kind: 'Ended'; readonly outcome: Outcome };

/**
 * Reads through the whole ListVolumes and tells where the wanted volumes are published. Only a
 * complete listing counts. ABORTED means that a token has expired and the listing must begin
 * again (CSI, ListVolumes Errors); it does so at most three times.
 */
export async function listPublishedNodes(
  query: PublishedNodesQuery,
): Promise<PublishedNodesResult> {
  const until = query.clock.now() + listingDeadlines * query.deadlineMs;
  for (let restarts = 0; ; restarts += 1) {
    const pass = await readPages(query, until);
    if (pass.kind === 'Complete') {
      const entries = [...pass.found].map(([handle, nodes]) => [handle, [...nodes]] as const);
      return { outcome: done, publishedNodes: new Map(entries) };
    }
    if (pass.kind === 'Ended' || restarts === maxRestarts) {
      return { outcome: pass.outcome, publishedNodes: new Map() };
    }
  }
}

async function readPages(query: PublishedNodesQuery, until: number): Promise<Pass> {
  const { connection, clock, deadlineMs } = query;
  const wanted = new Set(query.handles);
  const found = new Map<string, Set<string>>();
  const tokens = new Set<string>();
  for (let token = ''; ; ) {
    const request = token === '' ? {} : { starting_token: token };
    const path = '/csi.v1.Controller/ListVolumes';
    const { outcome, answer } = await connection.call(path, request, { deadlineMs });
    if (answer === undefined) return passOfError(outcome);
    collect(answer.entries ?? [], wanted, found);
    token = answer.next_token ?? '';
    if (token === '') return { kind: 'Complete', found };
    if (tokens.has(token)) {
      const loop = unknown(
        'PAGES_LOOP',
        'ListVolumes answered with a next_token that it gave before',
      );
      return { kind: 'Ended', outcome: loop };
    }
    tokens.add(token);
    if (clock.now() >= until) {
      const endless = unknown('DEADLINE_EXCEEDED', 'ListVolumes did not come to its end in time');
      return { kind: 'Ended', outcome: endless };
    }
  }
}

function passOfError(outcome: Outcome): Pass {
  if (outcome.kind === 'Unknown' && outcome.code === 'ABORTED') return { kind: 'Restart', outcome };
  if (outcome.kind === 'Failed' && outcome.code === 'UNIMPLEMENTED') {
    const broken = failed(
      'UNIMPLEMENTED',
      'the driver advertises LIST_VOLUMES and does not have it',
    );
    return { kind: 'Ended', outcome: broken };
  }
  return { kind: 'Ended', outcome };
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
