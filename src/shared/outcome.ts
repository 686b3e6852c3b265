/**
 * What became of something that we did to the world. Classified by code, never by message text
 * (external-attacher makes the same split: "failed completely" against "may be in progress").
 */
export type Outcome =
  /** `only`: of a batch these parts and no others, by what names them. */
  | { readonly kind: 'Done'; readonly only?: readonly string[] }
  /** Final: it did not happen and will not happen because of this attempt. */
  | { readonly kind: 'Failed'; readonly code: string; readonly detail: string }
  /** It may have happened, and it may still be happening. Never read as success or failure. */
  | { readonly kind: 'Unknown'; readonly code: string; readonly detail: string };

export const done: Outcome = { kind: 'Done' };

export function failed(code: string, detail: string): Outcome {
  return { kind: 'Failed', code, detail };
}

export function unknown(code: string, detail: string): Outcome {
  return { kind: 'Unknown', code, detail };
}

/**
 * gRPC codes after which a call is over: the server answered and did nothing more. All others
 * (CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE,
 * DATA_LOSS) leave it open whether the work goes on. Source: CSI spec, "Error Scheme", and
 * external-attacher pkg/attacher/attacher.go isFinalError, which we take more strictly.
 */
const finalGrpcCodes: ReadonlyMap<number, string> = new Map([
  [3, 'INVALID_ARGUMENT'],
  [5, 'NOT_FOUND'],
  [6, 'ALREADY_EXISTS'],
  [7, 'PERMISSION_DENIED'],
  [9, 'FAILED_PRECONDITION'],
  [11, 'OUT_OF_RANGE'],
  [12, 'UNIMPLEMENTED'],
  [16, 'UNAUTHENTICATED'],
]);

const openGrpcCodes: ReadonlyMap<number, string> = new Map([
  [1, 'CANCELLED'],
  [2, 'UNKNOWN'],
  [4, 'DEADLINE_EXCEEDED'],
  [8, 'RESOURCE_EXHAUSTED'],
  [10, 'ABORTED'],
  [13, 'INTERNAL'],
  [14, 'UNAVAILABLE'],
  [15, 'DATA_LOSS'],
]);

/** The canonical name of a gRPC status code; numbers that gRPC does not know stay visible. */
export function grpcCodeName(code: number): string {
  if (code === 0) return 'OK';
  return finalGrpcCodes.get(code) ?? openGrpcCodes.get(code) ?? `CODE_${code}`;
}

/** Classifies the status code of a gRPC answer. */
export function outcomeOfGrpc(code: number, detail: string): Outcome {
  if (code === 0) return done;
  const name = grpcCodeName(code);
  return finalGrpcCodes.has(code) ? failed(name, detail) : unknown(name, detail);
}

/**
 * Classifies an HTTP status of the Kubernetes API; 0 stands for "no answer" (connection lost,
 * deadline exceeded). 429 is final: the server says that it did not start.
 */
export function outcomeOfHttp(status: number, detail: string): Outcome {
  if (status >= 200 && status < 300) return done;
  if (status >= 400 && status < 500) return failed(`HTTP_${status}`, detail);
  return unknown(status === 0 ? 'NO_ANSWER' : `HTTP_${status}`, detail);
}
