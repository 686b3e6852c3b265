/** grpc-go codes.Code.String(): the words that all CSI sidecars put into this label. */
const goCodeNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
];

export function goCodeName(code: number | undefined): string {
  if (code === undefined) return 'unknown-non-grpc';
  return goCodeNames[code] ?? `Code(${code})`;
}
