import type { ServiceError } from '@grpc/grpc-js';
import { Metadata, status } from '@grpc/grpc-js';

export type Code = Exclude<keyof typeof status, 'OK'>;

/** What a method of the driver throws to answer with an error code. */
export class CsiError extends Error {
  readonly code: Code;

  constructor(code: Code, message: string) {
    super(message);
    this.name = 'CsiError';
    this.code = code;
  }
}

export function serviceError(error: unknown): Partial<ServiceError> {
  const code = error instanceof CsiError ? error.code : 'INTERNAL';
  const details = Error.isError(error) ? error.message : String(error);
  return { code: status[code], details, metadata: new Metadata() };
}

/** A field that CSI requires. */
export function required(request: Readonly<Record<string, unknown>>, field: string): string {
  const value = request[field];
  if (typeof value === 'string' && value !== '') return value;
  throw new CsiError('INVALID_ARGUMENT', `${field} is missing`);
}

/** A field that may be absent. */
export function optional(request: Readonly<Record<string, unknown>>, field: string): string {
  const value = request[field];
  return typeof value === 'string' ? value : '';
}
