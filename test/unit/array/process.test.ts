import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/shared/system-clock.ts';
import { CsiConnection } from '../../../src/shared/csi/connection.ts';
import { CsiController } from '../../../src/shared/csi/controller.ts';
import { ArrayAdmin } from '../../array/admin-client.ts';
import type { UnpublishMode } from '../../array/storage-array.ts';
import { ManagedProcess } from '../../machine/process.ts';
import { until } from '../../until.ts';

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Starts programs of the tree as processes, all of which are gone at the end. */
function bench() {
  const folder = mkdtempSync(join(tmpdir(), 'array-'));
  const processes: ManagedProcess[] = [];
  return {
    folder,
    start(name: string, program: string, ...args: readonly string[]): ManagedProcess {
      const file = fileURLToPath(new URL(`../../${program}`, import.meta.url));
      const logFile = join(folder, `${name}.log`);
      const command = { command: process.execPath, args: [file, ...args] };
      const started = new ManagedProcess({ name, ...command, logFile, runId: 'array-test' });
      processes.push(started);
      return started;
    },
    async [Symbol.asyncDispose]() {
      for (const each of processes) {
        each.signal('SIGKILL');
        await each.exited;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Array, driver and two pods as processes: the old pod freezes while it writes, is unpublished and
 * replaced, and thaws beside its replacement.
 */
async function freezeFenceThaw(mode: UnpublishMode) {
  await using run = bench();
  const array = run.start('array', 'array/main.ts');
  await until(() => read(array.logFile).includes('\n'));
  const addresses = JSON.parse(read(array.logFile)) as { admin: string; nbd: string };
  const admin = new ArrayAdmin(addresses.admin);
  const endpoint = `unix:${join(run.folder, 'csi.sock')}`;
  const where = ['--endpoint', endpoint, '--mode', 'controller'];
  const driver = run.start('driver', 'driver/main.ts', ...where, '--array-admin', addresses.admin);
  await until(() => read(driver.logFile).includes('ready'));
  await admin.create('v');
  const pod = (podUid: string, node: string) => {
    const options = ['--array', addresses.nbd, '--export', `v@${node}`, '--pod-uid', podUid];
    const status = ['--status-file', join(run.folder, `${podUid}.status`), '--interval', '10ms'];
    return run.start(podUid, 'array/writer.ts', ...options, ...status, '--slot', 'ns/web-0');
  };
  const acceptedOf = async (podUid: string) =>
    (await admin.verdict()).writers.find((writer) => writer.podUid === podUid)?.accepted ?? 0;

  await admin.publish('v', 'node-a');
  const old = pod('old', 'node-a');
  await until(async () => (await acceptedOf('old')) > 3);
  old.signal('SIGSTOP');
  await admin.setUnpublishMode(mode);
  await admin.unpublish('v', 'node-a');
  await admin.publish('v', 'node-b');
  pod('new', 'node-b');
  await until(async () => (await acceptedOf('new')) > 3);
  old.signal('SIGCONT');
  const before = (await admin.journal()).filter((entry) => entry.podUid === 'old').length;
  const oldTries = async () =>
    (await admin.journal()).filter((entry) => entry.podUid === 'old').length - before;
  await until(async () => (await oldTries()) > 3);

  const connection = new CsiConnection({ address: endpoint, clock: systemClock });
  const controller = new CsiController({ connection, clock: systemClock, deadlineMs: 2_000 });
  const published = (await controller.publishedNodes(['v'])).publishedNodes.get('v');
  connection.close();
  return {
    published,
    verdict: await admin.verdict(),
    status: read(join(run.folder, 'old.status')),
  };
}

describe('a pod that freezes, is fenced, replaced and thaws', () => {
  it('is rejected by an array that revokes', async () => {
    const { published, verdict, status } = await freezeFenceThaw({ kind: 'honest' });
    expect(published).toEqual(['node-b']);
    expect(verdict.violations).toEqual([]);
    expect(verdict.gaps).toEqual([]);
    expect(verdict.rejected).toBeGreaterThan(3);
    expect(status).toContain('"rejected"');
  }, 20_000);

  it('is counted as violations by an array whose unpublish lies', async () => {
    const { published, verdict } = await freezeFenceThaw({ kind: 'lie' });
    expect(published).toEqual(['node-b']);
    expect(verdict.violations.length).toBeGreaterThan(3);
    expect(verdict.violations[0]).toMatchObject({ entry: { podUid: 'old' }, replacedBy: 'new' });
    expect(verdict.rejected).toBe(0);
  }, 20_000);
});
