/**
 * Stands in for node-driver-registrar, which cannot be had as a Go module, with its flags:
 * `node registrar.ts --csi-address=/csi/csi.sock --kubelet-registration-path=/var/lib/.../csi.sock`.
 * Asks the driver for its name, and tells the kubelet by a socket below /registration.
 */
import { rmSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { CsiConnection } from '../../src/shared/csi/connection.ts';
import { readDriverName } from '../../src/shared/csi/identity.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { eventually } from '../machine/eventually.ts';

const { values } = parseArgs({
  options: {
    'csi-address': { type: 'string', default: '' },
    'kubelet-registration-path': { type: 'string', default: '' },
    'registration-folder': { type: 'string', default: '/registration' },
  },
});

const name = await driverName();
const socket = `${values['registration-folder']}/${name}-reg.sock`;
const proto = fileURLToPath(new URL('./registration.proto', import.meta.url));
const definition = loadSync(proto, { keepCase: true });
const server = new Server();
server.addService(definition['pluginregistration.Registration'] as ServiceDefinition, {
  GetInfo: (_: unknown, answer: (error: null, info: object) => void) =>
    answer(null, {
      type: 'CSIPlugin',
      name,
      endpoint: values['kubelet-registration-path'],
      supported_versions: ['1.0.0'],
    }),
  NotifyRegistrationStatus: (
    { request }: { readonly request: { plugin_registered: boolean; error: string } },
    answer: (error: null, nothing: object) => void,
  ) => {
    answer(null, {});
    // Once more from the start, by whoever starts this container again.
    if (!request.plugin_registered) process.exit(1);
  },
});
rmSync(socket, { force: true });
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
  if (error !== null) throw error;
  console.log(`${name} stands at ${socket}`);
});
process.once('SIGTERM', () => {
  rmSync(socket, { force: true });
  process.exit(0);
});

/** The driver's container may come up later than this one. */
async function driverName(): Promise<string> {
  const address = `unix:${values['csi-address']}`;
  const connection = new CsiConnection({ address, clock: systemClock });
  const ask = async (): Promise<string | false> =>
    (await readDriverName(connection, 2_000)).name || false;
  const name = await eventually(ask, { what: 'the driver', withinMs: 600_000, everyMs: 200 });
  connection.close();
  return name;
}
