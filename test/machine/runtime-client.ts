import { callLocal } from './local-http.ts';
import type { Container, RunningContainer } from './runtime.ts';

/** Talks to the runtime process of one machine. Rejects when it is dead, frozen or slow. */
export class RuntimeClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  list(): Promise<readonly RunningContainer[]> {
    return this.#call('GET', '/containers');
  }

  start(container: Container): Promise<readonly RunningContainer[]> {
    return this.#call('PUT', `/containers/${encodeURIComponent(container.podUid)}`, container);
  }

  stop(podUid: string): Promise<readonly RunningContainer[]> {
    return this.#call('DELETE', `/containers/${encodeURIComponent(podUid)}`);
  }

  #call(
    method: 'GET' | 'PUT' | 'DELETE',
    path: string,
    body?: Container,
  ): Promise<readonly RunningContainer[]> {
    return callLocal({ socketPath: this.#socketPath, method, path, body, deadlineMs: 5_000 });
  }
}
