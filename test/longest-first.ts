/**
 * The order in which jest begins the files of a stage: a long one that begins last keeps everybody
 * waiting. Jest itself knows only how long they took the last time, which a fresh clone does not.
 */
import { statSync } from 'node:fs';

interface TestFile {
  readonly path: string;
}

/** Those that take longer than their size lets one think; the longest first. */
export const longest: readonly string[] = [
  'test/e2e/evidence-views.test.ts',
  'test/scenarios/mutants.test.ts',
  'test/scenarios/api-outage.test.ts',
  'test/e2e/mutants.test.ts',
  'test/e2e/api-restart.test.ts',
  'test/e2e/agentless.test.ts',
  'test/e2e/controllers-contract.test.ts',
  'test/e2e/storm.test.ts',
  'test/e2e/two-drivers.test.ts',
  'test/contract/controllers.test.ts',
  'test/e2e/coming-back.test.ts',
  'test/scenarios/restarts.test.ts',
  'test/e2e/zombies.test.ts',
  'test/e2e/maintenance.test.ts',
  'test/scenarios/storage-lost.test.ts',
  'test/e2e/sorts-of-pods.test.ts',
  'test/e2e/reflector-contract.test.ts',
  'test/e2e/node-created-again.test.ts',
  'test/scenarios/leader-processes.test.ts',
  'test/scenarios/unfenceable.test.ts',
  'test/e2e/held-machines.test.ts',
  'test/scenarios/coming-back.test.ts',
  'test/scenarios/driver-hangs.test.ts',
  'test/scenarios/power-off.test.ts',
  'test/scenarios/kubelet-dead.test.ts',
  'test/e2e/without-fast-path.test.ts',
  'test/e2e/controllers-restart.test.ts',
  'test/unit/node-mode/node.test.ts',
  'test/unit/machine/process-machine.test.ts',
];

/** What jest asks a sequencer for. */
export default class LongestFirst {
  sort<T extends TestFile>(tests: Iterable<T>): readonly T[] {
    return [...tests].sort(
      (one, other) =>
        rankOf(one) - rankOf(other) || statSync(other.path).size - statSync(one.path).size,
    );
  }

  /** Jest hands it what happened; there is nothing to remember. */
  cacheResults(): void {}
}

function rankOf({ path }: TestFile): number {
  const rank = longest.findIndex((file) => path.endsWith(`/${file}`));
  return rank < 0 ? longest.length : rank;
}
