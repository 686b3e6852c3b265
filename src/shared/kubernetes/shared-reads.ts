import type { HttpReply, HttpRequest } from './http-message.ts';
import type { Transport } from './transport.ts';

/** Less than the difference of two ranks. */
const behindWrites = 0.5;

type Requests = Pick<Transport, 'request'>;

/**
 * Lets those who want to read the same object at the same time share one GET. Before each step of
 * an episode the fence record is read, once per pod and volume: of a hundred such reads that wait
 * for the rate limit together, all but one would only hold back the writes behind them. So the
 * writes of the same rank go first, and while they do the next reads meet.
 *
 * It stays a consistent read for each of them: only a GET that has not left yet is shared, so its
 * answer is younger than every question. A request that has left is never joined. All get the one
 * answer, by the deadline of who asked first; writes pass through.
 */
export class SharedReads implements Requests {
  readonly #transport: Requests;
  /** By rank and path: reads that have not left yet. Nobody waits behind those of a later rank. */
  readonly #waiting = new Map<string, Promise<HttpReply>>();

  constructor(transport: Requests) {
    this.#transport = transport;
  }

  request(request: HttpRequest): Promise<HttpReply> {
    if (!isPlainRead(request)) return this.#transport.request(request);
    return this.#waiting.get(keyOf(request)) ?? this.#begin(request);
  }

  #begin(request: HttpRequest): Promise<HttpReply> {
    const key = keyOf(request);
    // Identity counts: a second attempt must not close the door of the read that came after it.
    const close = (): void => {
      if (this.#waiting.get(key) === reply) this.#waiting.delete(key);
    };
    const send = async (): Promise<HttpReply> => {
      // Those who ask in the same breath share even when there is no limit to wait for.
      await Promise.resolve();
      try {
        const rank = (request.rank ?? 0) + behindWrites;
        return await this.#transport.request({ ...request, rank, onSend: close });
      } finally {
        // Held back until the deadline, it never left.
        close();
      }
    };
    const reply = send();
    this.#waiting.set(key, reply);
    return reply;
  }
}

function keyOf({ path, rank = 0 }: HttpRequest): string {
  return `${rank} ${path}`;
}

/** A GET of one object as it is, without anything of its own that the others did not ask for. */
function isPlainRead({ method, query, headers, signal, onSend }: HttpRequest): boolean {
  const own = query ?? headers ?? signal ?? onSend;
  return method === 'GET' && own === undefined;
}
