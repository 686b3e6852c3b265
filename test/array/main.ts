/**
 * The array as a process: `node test/array/main.ts [--admin host:port|unix:/path] [--nbd host:port]`.
 * Its first and only line on stdout says as JSON where it listens. SIGTERM ends it.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { startArray } from './start-array.ts';

const { values } = parseArgs({
  options: {
    admin: { type: 'string', default: '127.0.0.1:0' },
    nbd: { type: 'string', default: '127.0.0.1:0' },
  },
});
void startArray(values).then(({ adminAddress, nbdAddress }) =>
  process.stdout.write(`${JSON.stringify({ admin: adminAddress, nbd: nbdAddress })}\n`),
);
process.once('SIGTERM', () => process.exit(0));
