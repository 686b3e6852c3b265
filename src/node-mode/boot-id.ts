import { readFile } from 'node:fs/promises';

/**
 * The id of this life of the machine (random(4), /proc/sys/kernel/random/boot_id). It is only ever
 * compared with its own earlier value: inside a container that restores from a checkpoint it may
 * change under a running process, and other views of the machine may show another one.
 * Rejects on a file that holds anything but one word.
 */
export async function readBootId(path: string, signal?: AbortSignal): Promise<string> {
  const options = { encoding: 'utf8', ...(signal === undefined ? {} : { signal }) } as const;
  const bootId = (await readFile(path, options)).trim();
  if (!/^[\w.-]{1,128}$/.test(bootId)) throw new Error(`${path} holds no boot id`);
  return bootId;
}
