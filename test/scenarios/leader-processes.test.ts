import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WriterSummary } from '../array/judge.ts';
import type { Interference, RequestRecord } from '../double/api-server.ts';
import { processesOf } from '../machine/process.ts';
import { defaultSettings, labelled, Stage } from './stage.ts';

const plans = [labelled('StatefulSet', 'web'), labelled('Deployment', 'mysql')];

interface KillPoint {
  readonly name: string;
  readonly when: 'before' | 'after';
  readonly method: string;
  readonly path: RegExp;
}

const killPoints: readonly KillPoint[] = [
  // The first hold is on and nothing is deleted: from here on nobody may turn back.
  { name: 'hold', when: 'before', method: 'DELETE', path: /\/volumeattachments\/[^/]+$/ },
  // One pod is gone, the other is not, and the leader never heard of it.
  { name: 'evict', when: 'after', method: 'DELETE', path: /\/pods\/[^/]+$/ },
];

/** From power-off: silence, then a lease that runs out, then what is left to do. */
const movedWithinMs = 20_000 + 10_000 + 5_000;

interface Account {
  readonly killed: string | undefined;
  /** Whose requests changed something after the death. */
  readonly finishers: readonly string[];
  readonly offAt: number;
  readonly moved: readonly WriterSummary[];
  readonly episodes: number;
  readonly violations: readonly string[];
  readonly crimes: readonly string[];
  readonly processes: number;
}

async function live({ name, when, method, path }: KillPoint): Promise<Account> {
  const stage = await Stage.open(`leader-${when}-${name}`, defaultSettings);
  try {
    await stage.place(plans, 'worker-a');
    let killed: { readonly who: string; readonly at: number } | undefined;
    const kill = ({ identity }: RequestRecord): void => {
      killed = { who: identity, at: Date.now() };
      const replica = stage.bed.replicas.find((one) => one.name === identity);
      replica?.processes.get('controller')?.signal('SIGKILL');
    };
    stage.bed.server.onRequest((request): Interference | undefined => {
      const hit = request.method === method && path.test(request.path);
      const ours = request.identity.startsWith('controller-');
      if (!hit || !ours || killed !== undefined) return undefined;
      if (when === 'after') return { afterwards: () => kill(request), dropAfter: true };
      kill(request);
      return { dropBefore: true };
    });
    const machine = stage.bed.machine('worker-a');
    const offAt = Date.now();
    await machine.powerOff();
    const moved = await stage.move(plans, 'worker-a', 60_000);
    await machine.boot();
    await stage.released(80_000);
    const afterwards = stage.bed.server.mutations.filter(
      ({ at, identity }) => identity.startsWith('controller-') && at > (killed?.at ?? 0) + 1_000,
    );
    return {
      killed: killed?.who,
      finishers: [...new Set(afterwards.map(({ identity }) => identity))],
      offAt,
      moved,
      episodes: stage.episodes().length,
      violations: await stage.violations(),
      crimes: stage.crimes(),
      processes: processesOf(await stage.close()).length,
    };
  } finally {
    await stage.close();
  }
}

describe('a leader that is killed as a process, with default flags', () => {
  let accounts: readonly Promise<Account>[] = [];

  beforeAll(() => {
    // At the same time: they wait far more than they work.
    accounts = killPoints.map((point) => live(point));
  });
  afterAll(async () => {
    await Promise.allSettled(accounts);
  }, 200_000);

  it.each(killPoints.map((point, index) => ({ ...point, index })))(
    '$when its first request to $method for the $name: the other one finishes',
    async ({ index }) => {
      const account = (await accounts[index]) as Account;
      expect(account.finishers).toHaveLength(1);
      expect(new Set([account.killed, ...account.finishers])).toEqual(
        new Set(['controller-1', 'controller-2']),
      );
      for (const { firstAcceptedAt = Number.POSITIVE_INFINITY } of account.moved) {
        expect(firstAcceptedAt - account.offAt).toBeLessThan(movedWithinMs);
      }
      expect(account).toMatchObject({ episodes: 1, violations: [], crimes: [], processes: 0 });
    },
    200_000,
  );
});
