import { readFile } from 'node:fs/promises';
import type { Clock, Instant } from '../clock.ts';
import type { ApiServer, Source } from './kube-config.ts';

/** What a connection needs to trust the server and to be trusted, as it stands in the files now. */
export interface Credentials {
  readonly token: string | undefined;
  readonly tls: {
    readonly ca: string | undefined;
    readonly cert: string | undefined;
    readonly key: string | undefined;
  };
}

const rereadMs = 60_000;

/**
 * Keeps tokens and certificates fresh: kubelet rotates service account tokens, and a CA can be
 * replaced under a running pod. Files are read again at most once a minute and never on the way
 * of a request, except for the very first; when a file cannot be read the last text stays.
 */
export class Identity {
  readonly #server: ApiServer;
  readonly #clock: Clock;
  #credentials: Credentials | undefined;
  #readAt: Instant = Number.NEGATIVE_INFINITY;
  #reading: Promise<void> | undefined;

  constructor(server: ApiServer, clock: Clock) {
    this.#server = server;
    this.#clock = clock;
  }

  /** Rejects only if a file could not be read and never could before. */
  async current(): Promise<Credentials> {
    if (this.#clock.now() - this.#readAt >= rereadMs) this.#reading ??= this.#read();
    if (this.#credentials === undefined) await this.#reading;
    if (this.#credentials === undefined) throw new Error('the credential files cannot be read');
    return this.#credentials;
  }

  /** The server did not accept us (401): look at the files again before the next request. */
  rejected(): void {
    this.#readAt = Number.NEGATIVE_INFINITY;
  }

  async #read(): Promise<void> {
    const { ca, certificate, token } = this.#server;
    const old = this.#credentials;
    try {
      this.#readAt = this.#clock.now();
      this.#credentials = {
        token: (await readSource(token, old?.token))?.trim(),
        // The same object while nothing changed, so that its owner can compare by identity.
        tls: sameOr(old?.tls, {
          ca: await readSource(ca, old?.tls.ca),
          cert: await readSource(certificate?.cert, old?.tls.cert),
          key: await readSource(certificate?.key, old?.tls.key),
        }),
      };
    } catch {
      // Nothing was ever read: `current` says so, and the next request tries again.
      this.#readAt = Number.NEGATIVE_INFINITY;
    } finally {
      this.#reading = undefined;
    }
  }
}

async function readSource(
  source: Source | undefined,
  last: string | undefined,
): Promise<string | undefined> {
  if (source === undefined) return undefined;
  if (source.kind === 'Inline') return source.text;
  try {
    return await readFile(source.path, 'utf8');
  } catch (error) {
    if (last === undefined) throw error;
    return last;
  }
}

function sameOr(old: Credentials['tls'] | undefined, tls: Credentials['tls']): Credentials['tls'] {
  const same = old?.ca === tls.ca && old?.cert === tls.cert && old?.key === tls.key;
  return old !== undefined && same ? old : tls;
}
