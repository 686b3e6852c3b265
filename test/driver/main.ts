/**
 * The test driver as a process:
 * `node test/driver/main.ts --endpoint unix:/path --mode controller|node|all [--driver-name N]
 *  [--node-id N] [--array-admin A] [--array-nbd A] [--mountinfo-file F | --block-layer F]
 *  [--capabilities A,B] [--node-capabilities A,B] [--hang Method,...] [--faults-file F]`.
 * Prints `ready` once it listens. SIGTERM ends it; SIGSTOP makes it hang as a whole.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import type { DriverOptions } from './start-driver.ts';
import { startDriver } from './start-driver.ts';

const text = { type: 'string' } as const;
const { values } = parseArgs({
  options: {
    endpoint: text,
    mode: { type: 'string', default: 'all' },
    'driver-name': text,
    'node-id': text,
    'array-admin': text,
    'array-nbd': text,
    'mountinfo-file': text,
    'block-layer': text,
    capabilities: text,
    'node-capabilities': text,
    hang: text,
    'faults-file': text,
  },
});

const { endpoint, mode } = values;
if (endpoint === undefined) throw new Error('--endpoint is missing');
if (mode !== 'controller' && mode !== 'node' && mode !== 'all') throw new Error('--mode is wrong');

const hanging = words(values.hang ?? '').map((method) => [method, 'hang'] as const);
const options: DriverOptions = {
  endpoint,
  mode,
  faults: Object.fromEntries(hanging),
  ...given('driverName', values['driver-name']),
  ...given('nodeId', values['node-id']),
  ...given('arrayAdmin', values['array-admin']),
  ...given('arrayNbd', values['array-nbd']),
  ...given('mountinfoFile', values['mountinfo-file']),
  ...given('blockLayer', values['block-layer']),
  ...given('faultsFile', values['faults-file']),
  ...given('capabilities', values.capabilities && words(values.capabilities)),
  ...given('nodeCapabilities', values['node-capabilities'] && words(values['node-capabilities'])),
};
void startDriver(options).then(() => process.stdout.write('ready\n'));
process.once('SIGTERM', () => process.exit(0));

function words(list: string): string[] {
  return list.split(',').filter((word) => word !== '');
}

function given<K extends string, V>(key: K, value: V | undefined | ''): { [P in K]?: V } {
  return value === undefined || value === '' ? {} : ({ [key]: value } as { [P in K]?: V });
}
