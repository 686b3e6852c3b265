import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { testDriver } from '../model/cluster.ts';
import { type KillPoint, SmallCluster, startStorage, type Storage } from './small-cluster.ts';
import { fence, labelled, shortSettings } from './stage.ts';
import { crimesIn, episodesIn, leftOvers } from './traces.ts';

/**
 * All that a leader changes in one episode with two pods, from the silence to the release. Where
 * two of them do not depend on each other their order is nobody's business.
 */
const requests = [
  'record Intent',
  'taint fenced on',
  'intent on db',
  'intent on web',
  'hold on db',
  'hold on web',
  'delete attachment of db',
  'delete attachment of web',
  'record Fenced',
  'fail db',
  'fail web',
  'delete db',
  'delete web',
  'taint out-of-service on',
  'taint out-of-service off',
  'hold off db',
  'hold off web',
  'record Moved',
  'record Released',
  'taint fenced off',
  'record removed',
] as const;

/** Each of them not executed, and each of them executed without an answer. */
const killPoints: readonly KillPoint[] = requests.flatMap((request) => [
  { request, when: 'before' },
  { request, when: 'after' },
]);

/** From the cut to the first write elsewhere, with these settings, if nobody dies. */
const usualMs = 5_000;
/** --leader-election-lease-duration, and one more --leader-election-retry-period with jitter. */
const takeOverMs = 5_500;

/** One way through an episode, looked at from outside. */
interface Account {
  /** What our replicas asked for, in order. */
  readonly asked: readonly string[];
  readonly killed: string | undefined;
  readonly leaderInTheEnd: string | undefined;
  readonly episodes: number;
  readonly violations: readonly string[];
  readonly rejected: number;
  readonly crimes: readonly string[];
  readonly leftOvers: readonly string[];
}

/** As a namespace may be called. */
function nameOf({ request, when }: KillPoint): string {
  return `${when} ${request}`.toLowerCase().replaceAll(' ', '-');
}

const logs = fileURLToPath(new URL('../../.cache/scenarios/leader-killed', import.meta.url));

/**
 * Two pods on a node that loses the API but not its storage, so that it goes on writing until it
 * is fenced; once they write elsewhere the node comes back, as it is.
 */
async function live(storage: Storage, kill: KillPoint | undefined): Promise<Account> {
  const name = kill === undefined ? 'nobody' : nameOf(kill);
  const of = { namespace: name, driverName: testDriver };
  const plans = [labelled('StatefulSet', 'web', of), labelled('Deployment', 'db', of)];
  await using small = await SmallCluster.start({
    storage,
    name,
    controllerFlags: shortSettings(fence).controllerFlags ?? [],
    heartbeatIntervalMs: 500,
    kubeletLeaseSeconds: 8,
    kill,
  });
  const areOn = (...nodes: readonly string[]): boolean =>
    plans.every((plan) => nodes.includes(small.writerOf(plan) ?? ''));
  try {
    small.place(plans, 'a');
    await small.pass(15_000, { what: 'both pods writing on a', holds: () => areOn('a') });
    small.cordonOthers('a', false);
    // Renewals have to be seen before their absence is silence.
    await small.pass(5_000);
    small.cutOff('a', true);
    const withinMs = kill === undefined ? usualMs : usualMs + takeOverMs;
    await small.pass(withinMs, {
      what: 'both pods writing elsewhere',
      holds: () => areOn('b', 'c'),
    });
    const isMoved = (): boolean => small.phaseOf('a') === 'Moved';
    await small.pass(15_000, { what: 'a record that says Moved', holds: isMoved });
    small.cutOff('a', false);
    const left = (): readonly string[] => leftOvers(small.cluster.store, testDriver);
    await small.pass(60_000, {
      what: 'all of ours being taken away',
      holds: () => left().length === 0,
    });
    // Who died last of all is not missed yet; and whatever should not come any more would come now.
    const isOther = (): boolean => small.leader !== small.killed;
    await small.pass(10_000, { what: 'the other replica leading', holds: isOther });
    await small.pass(1_000);
    const { violations, rejected } = small.verdict();
    return {
      asked: small.words,
      killed: small.killed,
      leaderInTheEnd: small.leader,
      episodes: episodesIn(small.changes).length,
      violations: violations.map(({ entry }) => `${entry.slot} of ${entry.nodeId}`),
      rejected,
      crimes: crimesIn(small.history),
      leftOvers: left(),
    };
  } finally {
    small.saveLogs(logs);
  }
}

describe('a leader that dies at a single request of an episode, with short settings', () => {
  let storage: Storage;

  beforeAll(async () => {
    storage = await startStorage();
  });
  afterAll(async () => {
    await storage[Symbol.asyncDispose]();
  });

  it('has these requests to die at', async () => {
    const { asked, killed } = await live(storage, undefined);
    expect(killed).toBeUndefined();
    expect(asked.toSorted()).toEqual(requests.toSorted());
  }, 60_000);

  it.each(killPoints)(
    '$when "$request": the other replica finishes, and nothing forbidden is done',
    async (point) => {
      const account = await live(storage, point);
      const { killed, leaderInTheEnd } = account;
      expect(new Set([killed, leaderInTheEnd])).toEqual(new Set(['controller-1', 'controller-2']));
      expect(account).toMatchObject({ episodes: 1, violations: [], crimes: [], leftOvers: [] });
      // The old node tried to the last: without the fence these were violations.
      expect(account.rejected).toBeGreaterThan(0);
    },
    60_000,
  );
});
