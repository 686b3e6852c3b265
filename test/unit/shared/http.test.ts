import { afterEach, describe, expect, it } from '@jest/globals';
import {
  type HttpOptions,
  type HttpServer,
  initialHealth,
  serveHttp,
} from '../../../src/shared/http.ts';
import { createMetrics } from '../../../src/shared/metrics.ts';
import { silentLog } from '../../silent-log.ts';

let server: HttpServer | undefined;

async function serve(overrides: Partial<HttpOptions> = {}): Promise<string> {
  server = await serveHttp({
    endpoint: '127.0.0.1:0',
    metricsPath: '/metrics',
    metrics: createMetrics({ version: '1.2.3', mode: 'node', startedAt: 5000 }),
    log: silentLog,
    health: { ...initialHealth(), isReady: () => true },
    ...overrides,
  });
  return `http://127.0.0.1:${server.port}`;
}

afterEach(async () => {
  await server?.close();
  server = undefined;
});

describe('the HTTP endpoint', () => {
  it('answers the probes', async () => {
    let ready = false;
    const base = await serve({
      health: { isReady: () => ready, isLeadershipHealthy: () => false },
    });
    const status = async (path: string): Promise<number> => (await fetch(base + path)).status;
    expect(await status('/healthz')).toBe(200);
    expect(await status('/healthz/leader-election')).toBe(500);
    expect(await status('/readyz')).toBe(500);
    ready = true;
    expect(await status('/readyz?verbose')).toBe(200);
    expect(await status('/elsewhere')).toBe(404);
  });

  it('serves metrics on the path it was given', async () => {
    const base = await serve({ metricsPath: '/own' });
    const response = await fetch(`${base}/own`);
    expect(response.headers.get('content-type')).toContain('text/plain');
    expect(await response.text()).toContain(
      'csi_failover_build_info{version="1.2.3",mode="node"} 1',
    );
    expect((await fetch(`${base}/metrics`)).status).toBe(404);
  });

  it('changes nothing for anybody', async () => {
    const base = await serve();
    expect((await fetch(`${base}/healthz`, { method: 'POST' })).status).toBe(405);
  });

  it('goes on after a failure of its own', async () => {
    const metrics = createMetrics({ version: '1', mode: 'node', startedAt: 0 });
    metrics.onScrape(() => {
      throw new Error('no');
    });
    const base = await serve({ metrics });
    expect((await fetch(`${base}/metrics`)).status).toBe(500);
    expect((await fetch(`${base}/healthz`)).status).toBe(200);
  });

  it('says when the address is taken', async () => {
    const base = await serve();
    const endpoint = base.replace('http://', '');
    const metrics = createMetrics({ version: '1', mode: 'node', startedAt: 0 });
    const second = serveHttp({
      endpoint,
      metricsPath: '/metrics',
      metrics,
      log: silentLog,
      health: initialHealth(),
    });
    await expect(second).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
