import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jest } from '@jest/globals';
import type { CallSample } from '../../../../src/shared/csi/connection.ts';
import { CsiConnection } from '../../../../src/shared/csi/connection.ts';
import { CsiController } from '../../../../src/shared/csi/controller.ts';
import { systemClock } from '../../../../src/shared/system-clock.ts';
import type { DriverOptions, RunningDriver } from '../../../driver/start-driver.ts';
import { startDriver } from '../../../driver/start-driver.ts';

// Every wait here has an end of its own, or none: this only ends what hangs.
jest.setTimeout(60_000);

/** For a driver that answers: how soon is no matter, unless a test says so. */
const patientMs = 60_000;

/** A socket of its own for drivers that may come and go, and a connection to it. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'csi-'));
  const endpoint = `unix:${join(folder, 'csi.sock')}`;
  const samples: CallSample[] = [];
  const changes: boolean[] = [];
  const connection = new CsiConnection({
    address: endpoint,
    clock: systemClock,
    onCall: (sample) => samples.push(sample),
    onConnected: (connected) => changes.push(connected),
  });
  const drivers: RunningDriver[] = [];
  const controllerWith = (deadlineMs: number) =>
    new CsiController({ connection, clock: systemClock, deadlineMs });
  return {
    folder,
    endpoint,
    samples,
    changes,
    connection,
    controller: controllerWith(patientMs),
    /** For a driver that does not answer. */
    hasty: controllerWith(300),
    controllerWith,
    async driver(options: Partial<DriverOptions> = {}) {
      const driver = await startDriver({ endpoint, mode: 'all', ...options });
      drivers.push(driver);
      return driver;
    },
    async [Symbol.asyncDispose]() {
      for (const driver of drivers) await driver[Symbol.asyncDispose]();
      connection.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
