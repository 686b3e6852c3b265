import type { Shell } from '../shell.ts';
import type { CsiConnection } from './connection.ts';
import { readDriverName } from './identity.ts';

/** A driver that is asked for its name is asked again after this. */
const retryMs = 1_000;

/**
 * The driver's own word for its name, for as long as it takes: until it is known there is no Lease
 * to write and nothing to watch for. Empty if we are stopped before.
 */
export async function awaitDriverName(
  connection: CsiConnection,
  shell: Shell,
  deadlineMs: number,
): Promise<string> {
  for (let asked = 0; !shell.signal.aborted; asked += 1) {
    const { outcome, name } = await readDriverName(connection, deadlineMs);
    if (name !== '') return name;
    if (asked === 0) shell.log.warn({ ...outcome }, 'waiting for the driver to say its name');
    await shell.clock.sleep(retryMs, shell.signal);
  }
  return '';
}
