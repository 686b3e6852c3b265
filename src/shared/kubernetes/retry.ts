/** An answer after which the same request may be sent again. */
export interface RetryQuestion {
  readonly method: string;
  readonly status: number;
  /** The Retry-After header as received. */
  readonly retryAfter: string | undefined;
  /** How many times it was sent already; at least 1. */
  readonly attempts: number;
}

const maxAttempts = 4;
const overloaded: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

/**
 * How many ms to wait before sending again; undefined: the answer stands. A GET may always be
 * repeated. Of the others only 429 proves that the server did not start; after a 5xx they may
 * have happened, and whoever asked must look first.
 */
export function retryDelayMs(question: RetryQuestion, random: () => number): number | undefined {
  const { method, status, attempts } = question;
  const repeatable = method === 'GET' ? overloaded.has(status) : status === 429;
  if (!repeatable || attempts >= maxAttempts) return undefined;
  const backoffMs = 100 * 2 ** (attempts - 1);
  const askedMs = retryAfterMs(question.retryAfter) ?? 0;
  // Jitter comes on top: everybody who was turned away got the same Retry-After.
  return Math.max(askedMs, backoffMs / 2) + random() * backoffMs;
}

/** The API server writes whole seconds (apiserver pkg/util/flowcontrol); dates are ignored. */
export function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined || !/^\d{1,6}$/.test(header.trim())) return undefined;
  return Number(header) * 1000;
}

/** Exponential with jitter between half and all of it; `attempt` counts from 1. */
export function backoffMs(
  attempt: number,
  bounds: { readonly minMs: number; readonly maxMs: number },
  random: () => number,
): number {
  const fullMs = Math.min(bounds.maxMs, bounds.minMs * 2 ** Math.min(attempt - 1, 30));
  return fullMs * (0.5 + random() / 2);
}
