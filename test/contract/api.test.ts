import { describe } from '@jest/globals';
import { startApiServer } from '../double/api-server.ts';
import { Store } from '../model/store.ts';
import { apiSuite } from './api-suite.ts';

describe('the double of the API server', () => {
  apiSuite(async () => {
    const store = new Store({ wallTime: () => Date.now() });
    const server = await startApiServer({ store });
    return {
      access: { server: server.url },
      forget: () => {
        store.compact(store.resourceVersion);
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });
});
