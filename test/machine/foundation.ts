import type { StoreEvent } from '../model/event-log.ts';
import type { Objects, ResourceName } from '../model/objects.ts';
import type { ApiAccess } from './api-access.ts';
import type { Endpoint } from './proxy.ts';

/** One change of one object, with the moment (wall-clock ms) at which it happened or was heard of. */
export type Change = StoreEvent & { readonly at: number };

/** Whoever comes to the API from a bed. */
export type Visitor =
  | { readonly kind: 'person' }
  | { readonly kind: 'controller'; readonly name: string }
  | { readonly kind: 'agent'; readonly node: string }
  | { readonly kind: 'kubelet'; readonly node: string };

/** What is there before the foundation is laid. */
export interface Site {
  readonly runId: string;
  /** For logs and sockets. */
  readonly folder: string;
  readonly driverName: string;
  /** Of the driver and everything beside it. */
  readonly namespace: string;
  /** Names of the nodes. */
  readonly machines: readonly string[];
  /** `unix:/path`: the driver that external-attacher is to call. */
  readonly csiAddress: string;
}

/**
 * The API and the controllers that a bed of machines stands on, with external-attacher for its
 * driver: the modelled ones in this process, or real ones.
 */
export interface Foundation extends AsyncDisposable {
  readonly endpoint: Endpoint;
  access(visitor: Visitor): Promise<ApiAccess>;
  /** The object as it was last heard of. */
  find<R extends ResourceName>(
    resource: R,
    name: string,
    namespace?: string,
  ): Objects[R] | undefined;
  all<R extends ResourceName>(resource: R): readonly Objects[R][];
  /** Tells of every change from now on. */
  subscribe(listener: (change: Change) => void): void;
  /** Resolves when pods can be created there. */
  createNamespace(name: string): Promise<void>;
}

export type LayFoundation<F extends Foundation> = (site: Site) => Promise<F>;
