import { get } from 'node:http';
import type { KubeletHealth } from './facts.ts';

/** What the socket says when nobody serves behind it. */
const deadCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ABORT_ERR']);

/**
 * Asks the kubelet's health port (`--healthz-bind-address`, 127.0.0.1:10248); `:port` means this
 * machine. Rejects only on what is no address at all.
 * Silence until `signal` aborts is `dead`, too: a stopped process still has its socket. Another
 * status than 200 is `unknown`: whoever answers is alive, however it feels.
 */
export function probeKubelet(address: string, signal: AbortSignal): Promise<KubeletHealth> {
  const host = address.startsWith(':') ? `127.0.0.1${address}` : address;
  return new Promise((resolve) => {
    // Its own connection each time: a kept one says nothing about who listens now.
    const request = get(`http://${host}/healthz`, { agent: false, signal }, (response) => {
      resolve(response.statusCode === 200 ? 'ok' : 'unknown');
      response.destroy();
    });
    request.on('error', (error: Error & { readonly code?: string }) =>
      resolve(deadCodes.has(error.code ?? '') ? 'dead' : 'unknown'),
    );
  });
}
