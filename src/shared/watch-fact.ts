import type { View } from './model.ts';

/**
 * What a reflector tells about one watched collection. A fact is stamped with our monotonic clock
 * by whoever receives it, when it arrives.
 */
export type WatchFact<V extends View = View> =
  /** The complete contents, after a first or a repeated list: one fact, not N. */
  | { readonly kind: 'Replaced'; readonly source: string; readonly objects: readonly V[] }
  | { readonly kind: 'Upserted'; readonly source: string; readonly object: V }
  /** A changed uid under the same name comes as Removed, then Upserted. */
  | {
      readonly kind: 'Removed';
      readonly source: string;
      readonly namespace: string;
      readonly name: string;
      readonly uid: string;
    }
  /** A bookmark came, or the server answered a resumed watch: the stream lives. */
  | { readonly kind: 'WatchAlive'; readonly source: string }
  /** The stream broke: what we know may be stale from now until Replaced or WatchResumed. */
  | { readonly kind: 'WatchLost'; readonly source: string; readonly reason: string }
  /** The watch went on from where it broke; nothing was missed, but time passed unseen. */
  | { readonly kind: 'WatchResumed'; readonly source: string };
