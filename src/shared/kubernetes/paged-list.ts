import type { Json, JsonObject } from '../effect.ts';
import type { View } from '../model.ts';
import { bodyOf } from './client.ts';
import type { HttpReply } from './http-message.ts';
import { listIn, objectIn, textIn } from '../untrusted-json.ts';
import { retryAfterMs } from './retry.ts';
import type { Transport } from './transport.ts';
import { identified } from './watch-event.ts';
import type { StepEnd } from './watch-plan.ts';

export interface ListRequest<V extends View> {
  readonly transport: Pick<Transport, 'request'>;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly pageSize: number;
  /** For each page. */
  readonly deadlineMs: number;
  /** Makes the view at once: no more than one page of whole objects is ever held. */
  readonly project: (json: JsonObject) => V | undefined;
  readonly signal: AbortSignal;
}

export type Listing<V extends View> =
  | { readonly kind: 'Complete'; readonly objects: readonly V[]; readonly resourceVersion: string }
  | { readonly kind: 'Failed'; readonly end: StepEnd };

/**
 * Lists a collection page by page, consistently (API concepts, "Retrieving large results sets in
 * chunks"). The token of a page expires with etcd's history (5 min), then the server says 410:
 * the list starts again, the second time without pages.
 */
export async function listAll<V extends View>(request: ListRequest<V>): Promise<Listing<V>> {
  let listing = await listPages(request, request.pageSize);
  if (listing === 'Expired') listing = await listPages(request, request.pageSize);
  if (listing === 'Expired') listing = await listPages(request, undefined);
  return listing === 'Expired' ? failed({ kind: 'Gone', reason: 'HTTP 410' }) : listing;
}

async function listPages<V extends View>(
  request: ListRequest<V>,
  pageSize: number | undefined,
): Promise<Listing<V> | 'Expired'> {
  const objects: V[] = [];
  let resourceVersion = '';
  for (let token: string | undefined; token !== ''; ) {
    const reply = await fetchPage(request, pageSize, token);
    if (reply.status === 410) return 'Expired';
    const page = pageOf(reply);
    if (page === undefined) return failed(refusal(reply));
    // The first page's: later events may come twice, but none can be missed.
    if (resourceVersion === '') resourceVersion = page.resourceVersion;
    for (const item of page.items) {
      const view = identified(item) === undefined ? undefined : request.project(objectIn(item));
      if (view !== undefined) objects.push(view);
    }
    // A server that gives the same token for ever must not keep us in this loop.
    if (page.token !== '' && page.token === token) {
      return failed({ kind: 'Broken', reason: 'the list does not go on' });
    }
    token = page.token;
  }
  return { kind: 'Complete', objects, resourceVersion };
}

function fetchPage<V extends View>(
  request: ListRequest<V>,
  pageSize: number | undefined,
  token: string | undefined,
): Promise<HttpReply> {
  return request.transport.request({
    method: 'GET',
    path: request.path,
    query: { ...request.query, limit: pageSize?.toString(), continue: token },
    deadlineMs: request.deadlineMs,
    signal: request.signal,
  });
}

interface Page {
  readonly items: readonly Json[];
  readonly resourceVersion: string;
  /** Empty on the last page. */
  readonly token: string;
}

/** Undefined for anything that is not a list: an error, a proxy's page, a broken body. */
function pageOf(reply: HttpReply): Page | undefined {
  if (reply.status !== 200) return undefined;
  const body = bodyOf(reply);
  const metadata = objectIn(body?.metadata);
  const resourceVersion = textIn(metadata.resourceVersion);
  if (resourceVersion === '') return undefined;
  return { items: listIn(body?.items), resourceVersion, token: textIn(metadata.continue) };
}

function refusal(reply: HttpReply): StepEnd {
  if (reply.status === 0) return { kind: 'Broken', reason: reply.detail };
  return {
    kind: 'Refused',
    reason: reply.status === 200 ? 'the answer is not a list' : `HTTP ${reply.status}`,
    retryAfterMs: retryAfterMs(reply.headers['retry-after']) ?? 0,
  };
}

function failed(end: StepEnd): { readonly kind: 'Failed'; readonly end: StepEnd } {
  return { kind: 'Failed', end };
}
