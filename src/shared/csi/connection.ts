import type { ServiceError } from '@grpc/grpc-js';
import { Client, connectivityState, credentials, Metadata } from '@grpc/grpc-js';
import type { Clock } from '../clock.ts';
import type { Outcome } from '../outcome.ts';
import { outcomeOfGrpc, unknown } from '../outcome.ts';
import { csiMethods } from './definition.ts';
import type { CallPath, Calls } from './messages.ts';

/** What one call came to. `answer` is there exactly if the outcome is Done. */
export interface CallResult<Answer> {
  readonly outcome: Outcome;
  readonly answer: Answer | undefined;
}

/** One finished call, for the histogram that every CSI sidecar has. */
export interface CallSample {
  /** `/csi.v1.<Service>/<Method>`. */
  readonly method: string;
  /** The gRPC status code. */
  readonly code: number;
  readonly seconds: number;
}

export interface ConnectionOptions {
  /** `unix:/absolute/path`. */
  readonly address: string;
  readonly clock: Clock;
  readonly onCall?: (sample: CallSample) => void;
  /** Told at every change; a connection that comes again may lead to another driver version. */
  readonly onConnected?: (connected: boolean) => void;
}

/**
 * Reconnects within a second of the driver's return. Listings of many thousand volumes exceed the
 * 4 MiB that gRPC receives by default. No idle close: losing the connection is how we learn that
 * the driver was restarted. channelz would keep a record of every call.
 */
const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.min_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
  'grpc.client_idle_timeout_ms': 2 ** 31 - 1,
  'grpc.max_receive_message_length': 256 * 1024 * 1024,
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
};

/**
 * One gRPC channel to the driver's socket for the life of the process. It is never replaced: it
 * reconnects by itself, and every call ends at its deadline whatever the driver does.
 */
export class CsiConnection {
  readonly #client: Client;
  readonly #options: ConnectionOptions;
  #connected = false;
  #connections = 0;
  #closed = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.#client = new Client(options.address, credentials.createInsecure(), channelOptions);
    this.#watch();
  }

  /** How often the driver was reached: what was learned in an earlier connection may not hold. */
  get connections(): number {
    return this.#connections;
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Never rejects. `deadlineMs` is required, because a driver that hangs says nothing at all. */
  call<Path extends CallPath>(
    path: Path,
    request: Calls[Path]['request'],
    { deadlineMs }: { readonly deadlineMs: number },
  ): Promise<CallResult<Calls[Path]['answer']>> {
    const method = csiMethods.get(path);
    if (method === undefined) throw new Error(`proto/csi.proto has no ${path}`);
    if (this.#closed) {
      return Promise.resolve({ outcome: unknown('CANCELLED', 'closed'), answer: undefined });
    }
    const { clock } = this.#options;
    const begunAt = clock.now();
    return new Promise((resolve) => {
      this.#client.makeUnaryRequest(
        path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        new Metadata(),
        // gRPC turns the wall time into a duration at once, so a later step of it does no harm.
        { deadline: clock.wallTime() + deadlineMs },
        (error: ServiceError | null, answer?: object) => {
          const outcome = outcomeOfGrpc(error?.code ?? 0, error?.details ?? '');
          this.#report(path, error?.code ?? 0, clock.now() - begunAt);
          resolve({ outcome, answer: error === null ? (answer ?? {}) : undefined });
        },
      );
    });
  }

  /** Ends the channel; calls in flight end as CANCELLED or UNAVAILABLE. */
  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  #report(method: string, code: number, durationMs: number): void {
    this.#options.onCall?.({ method, code, seconds: durationMs / 1_000 });
  }

  /** Follows the channel's state, and asks for a new connection whenever it has none. */
  #watch(): void {
    if (this.#closed) return;
    const channel = this.#client.getChannel();
    const state = channel.getConnectivityState(true);
    this.#note(state === connectivityState.READY);
    if (state === connectivityState.SHUTDOWN) return;
    channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, () => this.#watch());
  }

  #note(connected: boolean): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    if (connected) this.#connections += 1;
    this.#options.onConnected?.(connected);
  }
}
