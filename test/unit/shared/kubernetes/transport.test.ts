import { mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../../src/shared/system-clock.ts';
import type { StreamEnd } from '../../../../src/shared/kubernetes/connection.ts';
import { Transport } from '../../../../src/shared/kubernetes/transport.ts';
import { FakeClock } from '../../../fake-clock.ts';
import { apiServerAt, reply, serve } from './api-server.ts';
import { until } from '../../../until.ts';

const get = { method: 'GET', path: '/api', deadlineMs: 2000 } as const;
const put = { method: 'PUT', path: '/api', body: '{}', deadlineMs: 2000 } as const;

describe('Transport.request', () => {
  it('sends everything and gives the answer back, over one connection', async () => {
    await using api = await serve((call) => reply(call, 201, { ok: true }, { 'x-a': 'b' }));
    const transport = api.transport();
    const request = { ...put, query: { a: 'b c', none: undefined }, headers: { 'x-h': 'v' } };
    const answer = await transport.request(request);
    expect(answer).toMatchObject({ status: 201, body: '{"ok":true}', headers: { 'x-a': 'b' } });
    for (let i = 0; i < 5; i += 1) await transport.request(get);
    expect(api.connections()).toBe(1);
    const [call] = api.calls;
    expect(call).toMatchObject({ method: 'PUT', path: '/api', body: '{}' });
    expect(call?.query.toString()).toBe('a=b+c');
    expect(call?.headers).toMatchObject({ 'x-h': 'v', 'content-type': 'application/json' });
  });

  it('keeps the path prefix of the server', async () => {
    await using api = await serve((call) => reply(call, 200, {}));
    const server = { ...api.server, url: `${api.server.url}/clusters/c1` };
    await api.transport({ server }).request(get);
    expect(api.calls[0]?.path).toBe('/clusters/c1/api');
  });

  it('waits as long as Retry-After says, then succeeds', async () => {
    await using api = await serve((call, index) => {
      if (index === 0) reply(call, 429, {}, { 'retry-after': '1' });
      else reply(call, 200, {});
    });
    const startedAt = systemClock.now();
    const answer = await api.transport().request({ ...put, deadlineMs: 5000 });
    expect(answer.status).toBe(200);
    expect(systemClock.now() - startedAt).toBeGreaterThanOrEqual(990);
    expect(api.calls).toHaveLength(2);
  });

  it('returns the refusal when waiting would go beyond the deadline', async () => {
    await using api = await serve((call) => reply(call, 429, {}, { 'retry-after': '60' }));
    const answer = await api.transport().request(get);
    expect(answer.status).toBe(429);
    expect(api.calls).toHaveLength(1);
  });

  it('repeats a GET after 503, but never a write', async () => {
    await using api = await serve((call, index) => reply(call, index === 1 ? 200 : 503, {}));
    const transport = api.transport();
    expect((await transport.request(get)).status).toBe(200);
    expect((await transport.request(put)).status).toBe(503);
    expect(api.calls).toHaveLength(3);
  });

  it('says status 0 for a server that accepts and never answers', async () => {
    await using api = await serve(() => {});
    const answer = await api.transport().request({ ...get, deadlineMs: 80 });
    expect(answer).toMatchObject({ status: 0, detail: 'no answer within 80 ms' });
  });

  it('says status 0 for a connection that is refused, reset or broken off in the answer', async () => {
    await using api = await serve((call, index) => {
      if (index === 0) call.socket.destroy();
      else {
        call.response.writeHead(200, { 'content-length': '100' });
        call.response.write('{"half":');
        setTimeout(() => call.socket.destroy(), 20);
      }
    });
    const transport = api.transport();
    expect((await transport.request(put)).status).toBe(0);
    expect((await transport.request(put)).status).toBe(0);
    const closed = await freePort();
    const nobody = api.transport({ server: apiServerAt(`http://127.0.0.1:${closed}`) });
    const answer = await nobody.request(get);
    expect(answer.status).toBe(0);
    expect(answer.detail).toContain('ECONNREFUSED');
  });

  it('sends a GET again when the kept-alive connection was closed meanwhile', async () => {
    await using api = await serve((call, index) => {
      if (index === 1) call.socket.destroy();
      else reply(call, 200, {});
    });
    const transport = api.transport();
    await transport.request(get);
    expect((await transport.request(get)).status).toBe(200);
    expect(api.calls).toHaveLength(3);
  });

  it('ends at once when the caller gives up', async () => {
    await using api = await serve(() => {});
    const abort = new AbortController();
    const pending = api.transport().request({ ...get, deadlineMs: 60_000, signal: abort.signal });
    await until(() => api.calls.length === 1);
    abort.abort();
    expect(await pending).toMatchObject({ status: 0, detail: 'given up by the caller' });
    const late = await api.transport().request({ ...get, signal: abort.signal });
    expect(late.status).toBe(0);
  });

  it('holds back what is above the rate limit, and gives up before sending if it is too much', async () => {
    await using api = await serve((call) => reply(call, 200, {}));
    const transport = api.transport({ limit: { perSecond: 20, burst: 1 } });
    const startedAt = systemClock.now();
    const answers = await Promise.all([1, 2, 3].map(() => transport.request(get)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(systemClock.now() - startedAt).toBeGreaterThanOrEqual(95);
    const slow = api.transport({ limit: { perSecond: 0.1, burst: 1 } });
    await slow.request(get);
    expect(await slow.request(get)).toMatchObject({ status: 0 });
    expect(api.calls).toHaveLength(4);
  });
});

describe('credentials', () => {
  it('sends the token of the file, and the new one when it was rotated', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'token-'));
    const path = join(folder, 'token');
    writeFileSync(path, 'first\n');
    await using api = await serve((call) => reply(call, 200, {}));
    const clock = new FakeClock();
    const server = { ...api.server, token: { kind: 'File', path } as const };
    const transport = api.transport({ server, clock });
    await transport.request(get);
    writeFileSync(path, 'second\n');
    await transport.request(get);
    clock.freeze(60_000);
    // The file is read beside this request, not before it.
    await transport.request(get);
    await systemClock.sleep(50);
    await rm(folder, { recursive: true });
    await transport.request(get);
    const sent = api.calls.map(({ headers }) => headers.authorization);
    expect(sent.slice(0, 2)).toEqual(['Bearer first', 'Bearer first']);
    expect(sent[3]).toBe('Bearer second');
    clock.freeze(60_000);
    // A file that cannot be read any more leaves us with what we have.
    await transport.request(get);
    await transport.request(get);
    expect(api.calls.at(-1)?.headers.authorization).toBe('Bearer second');
  });

  it('says status 0 while the token was never readable', async () => {
    await using api = await serve((call) => reply(call, 200, {}));
    const server = { ...api.server, token: { kind: 'File', path: '/nowhere/token' } as const };
    expect((await api.transport({ server }).request(get)).status).toBe(0);
    expect(api.calls).toHaveLength(0);
  });
});

describe('Transport.stream', () => {
  async function follow(transport: Transport, deadlineMs = 1000) {
    const seen: string[] = [];
    const end = await new Promise<StreamEnd>((resolve) => {
      transport.stream(
        { ...get, deadlineMs },
        {
          onOpen: () => seen.push('open'),
          onData: (chunk) => seen.push(chunk.toString()),
          onEnd: resolve,
        },
      );
    });
    return { seen, end };
  }

  it('gives the data as it comes and tells an orderly end', async () => {
    await using api = await serve((call) => reply(call, 200, 'hello'));
    expect(await follow(api.transport())).toEqual({
      seen: ['open', 'hello'],
      end: { kind: 'Ended' },
    });
  });

  it('tells a break from an end', async () => {
    await using api = await serve((call) => {
      call.response.writeHead(200);
      call.response.write('half');
      setTimeout(() => call.socket.destroy(), 20);
    });
    const { end } = await follow(api.transport());
    expect(end.kind).toBe('Broken');
  });

  it('gives the answer that is not a stream', async () => {
    await using api = await serve((call) => reply(call, 410, { code: 410 }));
    const { seen, end } = await follow(api.transport());
    expect(seen).toEqual([]);
    expect(end).toMatchObject({ kind: 'Refused', reply: { status: 410, body: '{"code":410}' } });
  });

  it('does not wait for ever for the first byte', async () => {
    await using api = await serve(() => {});
    expect((await follow(api.transport(), 60)).end.kind).toBe('Broken');
  });

  it('is broken on request, and the next one opens', async () => {
    await using api = await serve((call, index) => {
      call.response.writeHead(200);
      call.response.write('x');
      if (index === 1) call.response.end();
    });
    const transport = api.transport();
    const first = follow(transport);
    await until(() => api.calls.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 50));
    transport.breakStreams();
    expect((await first).end.kind).toBe('Broken');
    expect((await follow(transport)).end).toEqual({ kind: 'Ended' });
  });

  it('tells nothing any more once it was closed', async () => {
    await using api = await serve((call) => {
      call.response.writeHead(200);
      call.response.write('x');
    });
    const seen: string[] = [];
    const close = api.transport().stream(get, {
      onOpen: () => seen.push('open'),
      onData: () => seen.push('data'),
      onEnd: () => seen.push('end'),
    });
    await until(() => seen.includes('data'));
    close();
    await until(() => api.calls[0]?.socket.destroyed === true);
    expect(seen).toEqual(['open', 'data']);
  });
});

async function freePort(): Promise<number> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
