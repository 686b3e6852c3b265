import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { watchForStalls } from '../../cluster/stall-watch.ts';
import { eventually } from '../../machine/eventually.ts';

const tolerableMs = 300;
/** Nobody waits so long for an answer that is given at once, on however busy a computer. */
const neverMs = 60_000;

describe('watchForStalls', () => {
  let server: Server;
  let watched: Parameters<typeof watchForStalls>[0];
  let told: string[];
  let asked: number;
  let delayMs: number;
  let status: number;

  beforeEach(async () => {
    [told, asked, delayMs, status] = [[], 0, 0, 200];
    server = createServer((_, response) => {
      asked += 1;
      void sleep(delayMs).then(() => response.writeHead(status).end('{"message":"no leader"}'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    watched = [{ name: 'etcd', access: { server: `http://127.0.0.1:${port}` }, path: '/health' }];
  });
  afterEach(() => void server.close());

  function watch(longestMs = tolerableMs): Disposable {
    const options = { everyMs: 20, tolerableMs: longestMs };
    return watchForStalls(watched, (line) => told.push(line), options);
  }

  it('says nothing of who answers, and who refuses at once', async () => {
    using _ = watch(neverMs);
    await eventually(() => asked > 5, { what: 'some questions' });
    status = 503;
    asked = 0;
    await eventually(() => asked > 5, { what: 'more questions' });
    expect(told).toEqual([]);
  });

  it('says who was silent, for how long, since when, and what the answer was', async () => {
    delayMs = 2 * tolerableMs;
    status = 503;
    using _ = watch();
    await eventually(() => told.length > 0, { what: 'the first sentence' });
    const sentence = /^etcd gave no answer for (\d+\.\d) s from 2\d{3}-.*Z: no leader$/;
    const [, seconds] = told[0]?.match(sentence) ?? [];
    expect(Number(seconds)).toBeGreaterThanOrEqual(0.6);
  });

  it('is silent itself when it is disposed of, whatever it waits for', async () => {
    delayMs = 2 * tolerableMs;
    const watching = watch();
    await eventually(() => asked > 0, { what: 'a question' });
    watching[Symbol.dispose]();
    await sleep(3 * tolerableMs);
    expect(asked).toBe(1);
    expect(told).toEqual([]);
  });
});
