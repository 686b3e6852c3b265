import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../.cache/compile', import.meta.url));
const preload = fileURLToPath(new URL('./compiled-program.cjs', import.meta.url));

/**
 * The environment of stand-ins and of ours: to start dozens of processes is much of a test's time,
 * and half of that is compiling. They share what was compiled, also by earlier runs.
 */
export const compileCache = {
  NODE_COMPILE_CACHE: folder,
  NODE_OPTIONS: `--require="${preload}"`,
} as const;
