import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from '@jest/globals';
import { loadApiServer } from '../../../../src/shared/kubernetes/kube-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'kubeconfig-'));
afterAll(() => rmSync(folder, { recursive: true }));

function load(cluster: object, user: object) {
  const path = join(folder, 'config');
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'c',
    contexts: [{ name: 'c', context: { cluster: 'k', user: 'u' } }],
    clusters: [{ name: 'k', cluster }],
    users: [{ name: 'u', user }],
  };
  writeFileSync(path, JSON.stringify(config));
  return loadApiServer(path);
}

const server = 'https://10.0.0.1:6443/';

describe('loadApiServer', () => {
  it('reads server, CA and token', () => {
    const data = Buffer.from('PEM').toString('base64');
    expect(load({ server, 'certificate-authority-data': data }, { token: 't' })).toEqual({
      url: 'https://10.0.0.1:6443',
      ca: { kind: 'Inline', text: 'PEM' },
      skipTlsVerify: false,
      serverName: undefined,
      token: { kind: 'Inline', text: 't' },
      certificate: undefined,
    });
  });

  it('reads files beside the kubeconfig', () => {
    const user = { 'client-certificate': 'c.crt', 'client-key': '/abs/c.key' };
    const loaded = load({ server, 'certificate-authority': 'ca.crt' }, user);
    expect(loaded.ca).toEqual({ kind: 'File', path: join(folder, 'ca.crt') });
    expect(loaded.certificate).toEqual({
      cert: { kind: 'File', path: join(folder, 'c.crt') },
      key: { kind: 'File', path: '/abs/c.key' },
    });
  });

  it.each([
    [{ server: 'not a url' }, {}, 'is not a URL'],
    [{ server, 'proxy-url': 'http://p' }, {}, 'proxy-url'],
    [{ server }, { exec: { command: 'aws' } }, 'exec'],
    [{ server }, { 'client-certificate': 'c.crt' }, 'together'],
  ])('refuses %j %j with a sentence', (cluster, user, word) => {
    expect(() => load(cluster, user)).toThrow(word);
  });

  it('names the file that cannot be read', () => {
    expect(() => loadApiServer('/nowhere/config')).toThrow('kubeconfig /nowhere/config');
    writeFileSync(join(folder, 'broken'), '{ not yaml: [');
    expect(() => loadApiServer(join(folder, 'broken'))).toThrow('cannot be read');
  });

  it('says what to do outside of a pod', () => {
    expect(() => loadApiServer('')).toThrow('give --kubeconfig');
  });
});
