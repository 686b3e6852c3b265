import pino from 'pino';

/**
 * Constant message, varying fields; the fields come first, as in pino. Never whole objects: the
 * few fields that a person needs to find the thing again (node, volume, pod, reason, episode).
 */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  /** A logger whose every line carries these fields, too. */
  child(fields: object): Logger;
}

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LogOptions {
  readonly level: LogLevel;
  /** On every line. */
  readonly fields: Readonly<Record<string, string>>;
  /** A file descriptor (1 or 2), or where tests collect lines. */
  readonly destination: number | { write(line: string): void };
}

/**
 * One JSON object a line, written synchronously: the last words before a crash must not be lost,
 * and we log transitions and actions only, so there is little to write.
 */
export function createLog(options: LogOptions): Logger {
  const { destination } = options;
  return pino(
    {
      level: options.level,
      base: options.fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: {
        level: (label) => ({ level: label }),
        log: (fields) => redact(fields) as Record<string, unknown>,
        bindings: (fields) => redact(fields) as Record<string, unknown>,
      },
      // pino's own serializer of `err` would run before redaction; ours treats errors anywhere.
      serializers: { err: (value: unknown) => value },
    },
    typeof destination === 'number'
      ? pino.destination({ dest: destination, sync: true })
      : destination,
  );
}

const secretName = new RegExp(
  [
    'secret|password|passwd|token|credential|authorization|cookie',
    '(?:api|access|private|client)[-_]?key',
  ].join('|'),
  'i',
);

/** What CSI sidecars print in place of a secret (csi-lib-utils protosanitizer). */
const stripped = '***stripped***';

/** Words that are secrets wherever they stand: bearer tokens, JSON web tokens, PEM private keys. */
const secretText = new RegExp(
  [
    String.raw`\bBearer\s+\S+`,
    String.raw`\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*`,
    String.raw`-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END[^-]*-----|$)`,
  ].join('|'),
  'g',
);

const maxDepth = 6;

/**
 * A copy without anything that looks like a secret: by the name of the field, whatever it holds,
 * or by the look of the text. Errors become plain objects. Never throws; never follows a cycle
 * further than a few steps.
 */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.replace(secretText, stripped);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= maxDepth) return '(deeper)';
  if (Error.isError(value)) return redactError(value, depth);
  if (Array.isArray(value)) return value.map((entry) => redact(entry, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, entry]) => [
      name,
      secretName.test(name) && entry !== undefined ? stripped : redact(entry, depth + 1),
    ]),
  );
}

function redactError(error: Error, depth: number): unknown {
  const { name, message, stack, cause, ...rest } = error;
  return {
    // `message` and `stack` are not enumerable: a spread would lose them.
    name: name ?? error.name,
    message: redact(message),
    stack: redact(stack),
    ...(cause === undefined ? {} : { cause: redact(cause, depth + 1) }),
    ...(redact({ ...rest }, depth + 1) as object),
  };
}
