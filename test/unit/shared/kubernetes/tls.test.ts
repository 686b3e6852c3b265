import * as https from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import type { ApiServer, Source } from '../../../../src/shared/kubernetes/kube-config.ts';
import { Transport } from '../../../../src/shared/kubernetes/transport.ts';
import { systemClock } from '../../../../src/shared/system-clock.ts';
import { apiServerAt } from './api-server.ts';
import { certificate, privateKey } from './tls-fixture.ts';

const get = { method: 'GET', path: '/api', deadlineMs: 2000 } as const;
const inline = (text: string): Source => ({ kind: 'Inline', text });

/** Answers with whether the client showed a certificate that we trust. */
async function request(fields: Partial<ApiServer>): Promise<{ status: number; body: string }> {
  const options = { cert: certificate, key: privateKey, ca: certificate };
  const server = https.createServer(
    { ...options, requestCert: true, rejectUnauthorized: false },
    (call, response) => response.end(String((call.socket as TLSSocket).authorized)),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const transport = new Transport({
    server: apiServerAt(`https://127.0.0.1:${port}`, fields),
    clock: systemClock,
    random: () => 0,
    limit: undefined,
  });
  const { status, body } = await transport.request(get);
  transport.close();
  await new Promise((resolve) => server.close(resolve));
  return { status, body };
}

describe('TLS', () => {
  it('trusts the CA that it was given', async () => {
    expect(await request({ ca: inline(certificate) })).toEqual({ status: 200, body: 'false' });
  });

  it('trusts nobody else, unless told to', async () => {
    expect((await request({})).status).toBe(0);
    expect((await request({ skipTlsVerify: true })).status).toBe(200);
  });

  it('checks the name that the configuration says', async () => {
    const ca = inline(certificate);
    expect((await request({ ca, serverName: 'api.test' })).status).toBe(200);
    expect((await request({ ca, serverName: 'other.test' })).status).toBe(0);
  });

  it('shows its client certificate', async () => {
    const own = { cert: inline(certificate), key: inline(privateKey) };
    expect(await request({ ca: inline(certificate), certificate: own })).toEqual({
      status: 200,
      body: 'true',
    });
  });
});
