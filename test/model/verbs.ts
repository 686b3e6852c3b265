/** What the verbs of the store take and answer. */
export interface Failure {
  readonly ok: false;
  /** HTTP status. */
  readonly status: number;
  /** Kubernetes' StatusReason: NotFound, AlreadyExists, Conflict, Invalid, Expired, ... */
  readonly reason: string;
  readonly message: string;
}

export type Result<T> = { readonly ok: true; readonly object: T } | Failure;

export interface Listing<T> {
  readonly items: readonly T[];
  readonly resourceVersion: string;
}

/** `namespace` may be left out for cluster-scoped objects. */
export interface Place {
  readonly namespace?: string | undefined;
  readonly name: string;
}

export interface DeleteOptions {
  readonly uid?: string | undefined;
  readonly resourceVersion?: string | undefined;
  readonly gracePeriodSeconds?: number | undefined;
}

export interface PatchOptions {
  readonly subresource?: 'status' | undefined;
  /** Default: JSON merge patch. */
  readonly type?: 'merge' | 'strategic';
}

export function failure(status: number, reason: string, message: string): Failure {
  return { ok: false, status, reason, message };
}

export function notFound(resource: string, name: string): Failure {
  return failure(404, 'NotFound', `${resource} "${name}" not found`);
}
