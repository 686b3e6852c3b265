import type { Json, JsonObject } from '../effect.ts';
import { numberIn, objectIn, textIn } from '../untrusted-json.ts';
import { microTime } from './micro-time.ts';

/** A Lease as its renewer sees it: what it needs to know, and the whole object to write back. */
export interface LeaseRecord {
  readonly resourceVersion: string;
  readonly holder: string;
  readonly durationMs: number;
  readonly json: JsonObject;
}

export function readLease(json: JsonObject | undefined): LeaseRecord {
  const spec = objectIn(json?.spec);
  return {
    resourceVersion: textIn(objectIn(json?.metadata).resourceVersion),
    holder: textIn(spec.holderIdentity),
    durationMs: numberIn(spec.leaseDurationSeconds) * 1000,
    json: json ?? {},
  };
}

export interface LeaseHold {
  readonly namespace: string;
  readonly name: string;
  /** Ours, set beside those that are there. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly holder: string;
  /** Written in whole seconds, rounded up. */
  readonly durationMs: number;
  readonly wallTime: number;
}

/**
 * The Lease with this hold in it. Everything else of the object stays as it was read, its
 * resourceVersion, too, so that writing it is a compare-and-swap. Without an object it is a new
 * one. A change of holder is a transition, as in client-go.
 */
export function leaseHolding(json: JsonObject | undefined, hold: LeaseHold): JsonObject {
  const metadata = objectIn(json?.metadata);
  const spec = objectIn(json?.spec);
  const now = microTime(hold.wallTime);
  const sameHolder = textIn(spec.holderIdentity) === hold.holder;
  const transitions = numberIn(spec.leaseTransitions);
  return {
    ...json,
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: metadataHolding(metadata, hold),
    spec: {
      ...spec,
      holderIdentity: hold.holder,
      leaseDurationSeconds: Math.max(1, Math.ceil(hold.durationMs / 1000)),
      acquireTime: sameHolder && textIn(spec.acquireTime) !== '' ? textIn(spec.acquireTime) : now,
      renewTime: now,
      // Giving it back is not a transition; taking it from nobody is.
      leaseTransitions:
        sameHolder || hold.holder === '' || json === undefined ? transitions : transitions + 1,
    },
  };
}

function metadataHolding(
  metadata: JsonObject,
  { namespace, name, labels, annotations }: LeaseHold,
): JsonObject {
  const named = { ...metadata, namespace, name, labels: withOurs(metadata.labels, labels) };
  if (annotations === undefined) return named;
  return { ...named, annotations: withOurs(metadata.annotations, annotations) };
}

/** Most renewals say what the one before said. */
function withOurs(json: Json | undefined, ours: Readonly<Record<string, string>>): JsonObject {
  const known = objectIn(json);
  const isSaid = Object.keys(ours).every((key) => known[key] === ours[key]);
  return isSaid ? known : { ...known, ...ours };
}
