import type { Clock } from '../clock.ts';
import type { Outcome } from '../outcome.ts';
import { done, failed, unknown } from '../outcome.ts';
import type { CsiConnection } from './connection.ts';
import type { Calls } from './messages.ts';

export type ListPath =
  | '/csi.v1.Controller/ListVolumes'
  | '/csi.v1.Controller/ControllerListVolumeHealth';

export interface ListingOptions {
  readonly connection: CsiConnection;
  readonly clock: Clock;
  /** For each page; the whole listing may take eight times as long. */
  readonly deadlineMs: number;
}

type PageReader<Path extends ListPath> = (answer: Calls[Path]['answer']) => void;

const maxRestarts = 3;
const listingDeadlines = 8;

/**
 * Reads through a whole listing of the driver. Only a complete one counts: `begin` is asked for a
 * reader of pages at every attempt, and what an earlier one has read is void. ABORTED means that
 * a token has expired and the listing must begin again (CSI, ListVolumes Errors); it does so at
 * most three times.
 */
export async function readListing<Path extends ListPath>(
  options: ListingOptions,
  path: Path,
  begin: () => PageReader<Path>,
): Promise<Outcome> {
  const until = options.clock.now() + listingDeadlines * options.deadlineMs;
  for (let restarts = 0; ; restarts += 1) {
    const outcome = await readPages(options, { path, until, read: begin() });
    const isExpired = outcome.kind === 'Unknown' && outcome.code === 'ABORTED';
    if (!isExpired || restarts === maxRestarts) return outcome;
  }
}

async function readPages<Path extends ListPath>(
  { connection, clock, deadlineMs }: ListingOptions,
  {
    path,
    until,
    read,
  }: { readonly path: Path; readonly until: number; readonly read: PageReader<Path> },
): Promise<Outcome> {
  const method = path.slice(path.lastIndexOf('/') + 1);
  const tokens = new Set<string>();
  for (let token = ''; ; ) {
    const request = token === '' ? {} : { starting_token: token };
    const { outcome, answer } = await connection.call(path, request, { deadlineMs });
    if (answer === undefined) return isMissing(outcome) ? notThere(method) : outcome;
    read(answer);
    token = answer.next_token ?? '';
    if (token === '') return done;
    if (tokens.has(token)) {
      return unknown('PAGES_LOOP', `${method} answered with a next_token that it gave before`);
    }
    tokens.add(token);
    if (clock.now() >= until) {
      return unknown('DEADLINE_EXCEEDED', `${method} did not come to its end in time`);
    }
  }
}

function isMissing(outcome: Outcome): boolean {
  return outcome.kind === 'Failed' && outcome.code === 'UNIMPLEMENTED';
}

function notThere(method: string): Outcome {
  return failed('UNIMPLEMENTED', `the driver advertises ${method} and does not have it`);
}
