import type { AnyObject } from '../model/objects.ts';
import type { Store } from '../model/store.ts';
import { type Failure, failure } from '../model/verbs.ts';
import type { ApiPath } from './request-path.ts';

interface Page {
  readonly items: readonly AnyObject[];
  readonly resourceVersion: string;
  readonly more: { readonly continue?: string; readonly remainingItemCount?: number };
}

/**
 * Lists in pieces: all pages of one list show the same moment. A continue token dies with a
 * compaction of that moment (410), as in etcd.
 */
export class Pages {
  readonly #rests = new Map<
    string,
    { readonly items: readonly AnyObject[]; readonly rv: string }
  >();
  #tokens = 0;

  page(store: Store, path: ApiPath, query: URLSearchParams): Page | Failure {
    if (!/^\d*$/.test(query.get('limit') ?? '')) {
      return failure(400, 'BadRequest', `limit: ${query.get('limit')} is not a number`);
    }
    const token = query.get('continue') ?? '';
    if (token === '') {
      let listing: ReturnType<Store['list']>;
      try {
        listing = store.list(path.resource, selectionOf(path, query));
      } catch (error) {
        return failure(400, 'BadRequest', String(error));
      }
      return this.#cut(listing.items, listing.resourceVersion, query);
    }
    if (!isToken(token)) return failure(400, 'BadRequest', 'invalid continue token');
    const rest = this.#rests.get(token);
    this.#rests.delete(token);
    if (rest === undefined || !store.eventsSince(Number(rest.rv), path.resource).ok) {
      return failure(
        410,
        'Expired',
        'The provided continue parameter is too old to display a consistent list result.',
      );
    }
    return this.#cut(rest.items, rest.rv, query);
  }

  /** All tokens handed out so far answer 410 from now on. */
  expire(): void {
    this.#rests.clear();
  }

  #cut(all: readonly AnyObject[], rv: string, query: URLSearchParams): Page {
    const limit = Number(query.get('limit') ?? '0');
    if (!(limit > 0) || all.length <= limit) {
      return { items: all, resourceVersion: rv, more: {} };
    }
    this.#tokens += 1;
    const token = Buffer.from(`page-${this.#tokens}`).toString('base64url');
    this.#rests.set(token, { items: all.slice(limit), rv });
    return {
      items: all.slice(0, limit),
      resourceVersion: rv,
      more: { continue: token, remainingItemCount: all.length - limit },
    };
  }
}

function isToken(token: string): boolean {
  return /^page-\d+$/.test(Buffer.from(token, 'base64url').toString());
}

export function selectionOf(
  { namespace }: ApiPath,
  query: URLSearchParams,
): Parameters<Store['list']>[1] & object {
  return {
    namespace,
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
  };
}
