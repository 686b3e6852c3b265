import type { VolumeHealth } from './health.ts';
import type { Outcome } from './outcome.ts';

/**
 * What an action asks of the world, as plain data. Actions are written as generators that yield
 * effects and get replies, so that the very same code runs over HTTP and gRPC in the product,
 * and synchronously, interrupted at every step, in the simulation.
 */
export type Effect = KubernetesEffect | CsiEffect;

export type Resource =
  | 'pods'
  | 'nodes'
  | 'persistentvolumes'
  | 'persistentvolumeclaims'
  | 'volumeattachments'
  | 'csinodes'
  | 'leases';

/** One request to the Kubernetes API. `namespace` is empty for cluster-scoped resources. */
export type KubernetesEffect = {
  readonly target: 'kubernetes';
  readonly resource: Resource;
  readonly namespace: string;
  readonly name: string;
} & (
  | { readonly verb: 'get' }
  | { readonly verb: 'create'; readonly body: JsonObject }
  | { readonly verb: 'update'; readonly body: JsonObject }
  /** A JSON merge patch (RFC 7386), on the object or on its status subresource. */
  | { readonly verb: 'patch'; readonly body: JsonObject; readonly subresource?: 'status' }
  | {
      readonly verb: 'delete';
      readonly uid: string;
      /** Sent only if given; 0 removes a pod object at once. */
      readonly gracePeriodSeconds?: number;
    }
);

/** A question to the CSI driver's controller service. */
export type CsiEffect = { readonly target: 'csi' } & (
  | {
      /** Reads where these volumes are published; pages through the whole listing. */
      readonly call: 'PublishedNodes';
      readonly handles: readonly string[];
    }
  | {
      /**
       * Asks what the storage says of one volume from now on: never an answer from before. By name
       * where the driver can, else by a pass over its whole listing.
       */
      readonly call: 'VolumeHealth';
      readonly handle: string;
    }
);

export type Json = string | number | boolean | null | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** What the world answered. `status` is the HTTP status; 0 means that no answer came. */
export type Reply =
  | {
      readonly target: 'kubernetes';
      readonly status: number;
      /** The object, if the answer carried one; a Status object for errors. */
      readonly body: JsonObject | undefined;
    }
  | {
      readonly target: 'csi';
      readonly outcome: Outcome;
      /** Per handle the node ids it is published to; a handle that was not listed is absent. */
      readonly publishedNodes: ReadonlyMap<string, readonly string[]>;
      /** To `VolumeHealth`, and only with Done; `Unknown` if the driver answered without a word. */
      readonly health?: VolumeHealth;
    };

/** An action in execution: yields what it wants done, ends with what became of it. */
export type Performance = Generator<Effect, Outcome, Reply>;
