import type { Clock } from '../clock.ts';
import type { StreamEnd } from './connection.ts';
import { LineDecoder } from './line-decoder.ts';
import { retryAfterMs } from './retry.ts';
import type { Transport } from './transport.ts';
import { parseWatchEvent, type WatchEvent } from './watch-event.ts';
import type { StepEnd } from './watch-plan.ts';

export interface WatchSessionOptions {
  readonly transport: Pick<Transport, 'stream'>;
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly clock: Clock;
  /** To the server's answer. */
  readonly openMs: number;
  /** A stream without a byte for this long is dead, whatever TCP says. */
  readonly silenceMs: () => number;
  /** For a watch-list: to the bookmark that ends the initial events. Undefined: a plain watch. */
  readonly initialMs: number | undefined;
  readonly signal: AbortSignal;
  readonly onOpen: () => void;
  /** Objects and bookmarks, in order. */
  readonly onEvent: (event: DeliveredEvent) => void;
}

export type DeliveredEvent = Extract<WatchEvent, { kind: 'Changed' | 'Deleted' | 'Bookmark' }>;

/** Follows one watch until it ends, for whatever reason; never rejects. */
export function watchSession(options: WatchSessionOptions): Promise<StepEnd> {
  const { clock, transport, signal } = options;
  return new Promise((resolve) => {
    const decoder = new LineDecoder();
    let heardAt = clock.now();
    let ended = false;
    let cancelInitial = (): void => {};
    let close = (): void => {};

    const finish = (end: StepEnd): void => {
      if (ended) return;
      ended = true;
      cancelSilence();
      cancelInitial();
      signal.removeEventListener('abort', stop);
      close();
      resolve(end);
    };
    const stop = (): void => finish({ kind: 'Broken', reason: 'stopped' });

    // Armed anew only when it fires: re-arming with every chunk would cost more than parsing it.
    const awaitSilence = (afterMs: number): (() => void) =>
      clock.after(afterMs, () => {
        const silenceMs = options.silenceMs();
        const leftMs = heardAt + silenceMs - clock.now();
        if (leftMs > 0) cancelSilence = awaitSilence(leftMs);
        else finish({ kind: 'Broken', reason: `nothing heard for ${silenceMs} ms`, silent: true });
      });
    let cancelSilence = awaitSilence(options.silenceMs());

    if (options.initialMs !== undefined) {
      cancelInitial = clock.after(options.initialMs, () =>
        finish({ kind: 'Unsupported', reason: 'no bookmark ended the initial events' }),
      );
    }
    const onLine = (line: string | undefined): void => {
      if (ended) return;
      const event = parseWatchEvent(line);
      if (event.kind === 'Garbage') finish({ kind: 'Missed', reason: event.reason });
      else if (event.kind === 'Error') finish(refusal(options, event.code, event.message, 0));
      else {
        if (event.kind === 'Bookmark' && event.initialEventsEnd) cancelInitial();
        options.onEvent(event);
      }
    };
    const { path, query, openMs: deadlineMs } = options;
    close = transport.stream(
      { method: 'GET', path, query, deadlineMs },
      {
        onOpen: () => {
          heardAt = clock.now();
          options.onOpen();
        },
        onData: (chunk) => {
          heardAt = clock.now();
          decoder.push(chunk, onLine);
        },
        onEnd: (end) => finish(stepEnd(options, end)),
      },
    );
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
  });
}

function stepEnd(options: WatchSessionOptions, end: StreamEnd): StepEnd {
  if (end.kind === 'Ended') return { kind: 'Ended' };
  if (end.kind === 'Broken') return { kind: 'Broken', reason: end.detail };
  const { status, headers, detail } = end.reply;
  return refusal(options, status, detail, retryAfterMs(headers['retry-after']) ?? 0);
}

/** 4xx answers that say nothing about whether the server knows watch-lists. */
const passing: ReadonlySet<number> = new Set([401, 408, 429]);

function refusal(
  options: WatchSessionOptions,
  status: number,
  message: string,
  retryAfterMs: number,
): StepEnd {
  const reason = message === '' ? `HTTP ${status}` : `HTTP ${status}: ${message}`;
  if (status === 0) return { kind: 'Broken', reason: message };
  if (status === 410) return { kind: 'Gone', reason };
  const watchList = options.initialMs !== undefined;
  if (watchList && status >= 400 && status < 500 && !passing.has(status)) {
    return { kind: 'Unsupported', reason };
  }
  return { kind: 'Refused', reason, retryAfterMs };
}
