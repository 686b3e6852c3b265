import type { Config } from '../shared/config.ts';
import type { Shell } from '../shared/shell.ts';

/** Runs node mode until the shell's signal aborts and everything is drained. */
export async function runNode(_config: Config, shell: Shell): Promise<void> {
  await shell.clock.sleep(Number.MAX_SAFE_INTEGER, shell.signal);
}
