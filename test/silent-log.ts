import type { Logger } from '../src/shared/log.ts';

/** For tests: nobody asserts on log text. */
export const silentLog: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};
