import { startApiServer } from '../double/api-server.ts';
import { Store } from '../model/store.ts';
import type { Contender } from './api-suite.ts';

/** The HTTP double over an empty store without controllers. */
export async function doubleContender(
  options: { readonly bookmarkIntervalMs?: number } = {},
): Promise<Contender> {
  const store = new Store({ wallTime: () => Date.now() });
  const server = await startApiServer({ store, ...options });
  return {
    access: { server: server.url },
    forget: () => {
      store.compact(store.resourceVersion);
      return Promise.resolve();
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
