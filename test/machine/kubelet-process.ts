/**
 * The kubelet of a stand-in machine as a process: registers the Node, renews its Lease, mounts
 * through the CSI plugin, starts and stops what the runtime runs, answers /healthz.
 */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { kubeletDefaults } from '../model/kubelet-action.ts';
import { ApiClient } from './api-client.ts';
import { CsiClient } from './csi-client.ts';
import { Kubelet } from './kubelet.ts';
import { KubeletDisk } from './kubelet-disk.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { RuntimeClient } from './runtime-client.ts';

const text = { type: 'string', default: '' } as const;
const { values } = parseArgs({
  options: {
    'node-name': text,
    zone: text,
    // `<name>=<socket>`
    driver: { type: 'string', multiple: true, default: [] },
    kubeconfig: text,
    'runtime-socket': text,
    'kubelet-dir': text,
    'mountinfo-file': text,
    'boot-id-file': text,
    // `<host>:<port>`
    'healthz-address': text,
    'lease-duration-seconds': { type: 'string', default: '40' },
    'poll-ms': { type: 'string', default: '150' },
  },
});

const leaseDurationSeconds = Number(values['lease-duration-seconds']);
const kubelet = new Kubelet({
  nodeName: values['node-name'],
  labels: { 'topology.kubernetes.io/zone': values.zone },
  bootId: readFileSync(values['boot-id-file'], 'utf8').trim(),
  api: new ApiClient(readKubeconfig(values.kubeconfig)),
  drivers: new Map(
    values.driver.map((driver) => {
      const [name = '', socket = ''] = driver.split('=');
      return [name, { csi: new CsiClient(`unix:${socket}`), socket }];
    }),
  ),
  runtime: new RuntimeClient(values['runtime-socket']),
  disk: new KubeletDisk(values['kubelet-dir'], values['mountinfo-file']),
  // A quarter of the duration, as pkg/kubelet nodeLeaseRenewIntervalFraction.
  settings: {
    ...kubeletDefaults,
    leaseDurationSeconds,
    leaseRenewIntervalMs: leaseDurationSeconds * 250,
  },
  pollMs: Number(values['poll-ms']),
  log: (line) => process.stdout.write(`${new Date().toISOString()} ${line}\n`),
});

const [host, port] = values['healthz-address'].split(':');
createServer((_, response) => response.end('ok')).listen(Number(port), host);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
// As logind's PrepareForShutdown reaches a kubelet.
process.once('SIGUSR2', () => kubelet.shutDown());
void kubelet.run(stop.signal).then(() => process.exit(0));
