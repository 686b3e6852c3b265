/** One failover, undisturbed and then once for every request of it, each time with a trouble there. */
import type { Interruption } from './interruption.ts';
import type { Stage } from './stage.ts';
import type { Words } from './stage-words.ts';
import type { World } from './world.ts';

/** What the node fails by. */
const failures: Readonly<Record<string, readonly string[]>> = {
  'power-off': ['power-off a for=60s'],
  'kubelet-death': ['kubelet-death a for=60s'],
  'bad-volumes': ['bad-volumes a for=60s'],
  'delete-node': ['power-off a for=60s', 'delete-node a'],
  /** It is back while a person has stopped us. */
  withdrawal: [
    'cut-off a for=18s',
    'run 30s until=says_Intent',
    'annotate nodes a csi-failover.io/paused=true',
  ],
};

/** What befalls the replica that sends the request; longer than the other one waits for it. */
const troubles: Readonly<Record<string, (world: World) => Interruption['how']>> = {
  killed: () => undefined,
  frozen: () => (replica) => {
    replica.freeze(25_000);
    return true;
  },
  'cut off': (world) => (replica) => {
    world.network.cut(replica.party, 'api', 5_000);
    world.network.cut('api', replica.party, 5_000);
    return false;
  },
  'API down': (world) => () => {
    world.api.state = 'refusing';
    world.timeline.later(20_000, () => (world.api.state = 'up'));
    return false;
  },
};

/** Twice the longest wait of Kubernetes' own. */
const patienceMs = 720_000;

/** Whoever is not lost by then is back. */
const lostMs = 60_000;

interface End {
  readonly words: readonly string[];
  readonly said: string;
}

/**
 * `every-request of=power-off by=killed`: a world of its own for each request that changes something,
 * once before it is carried out and once after. Tells when the pod runs elsewhere, or in peace where
 * it was. `newStage` makes each of those worlds.
 */
export function everyRequest(words: Words, newStage: () => Stage): readonly string[] {
  const lines = failures[words.get('of') ?? 'power-off'] ?? [];
  const by = (words.get('by') ?? 'killed').replaceAll('_', ' ');
  const trouble = troubles[by];
  if (trouble === undefined) throw new Error(`no such trouble: ${by}`);
  const undisturbed = oneFailover(newStage(), lines, () => undefined);
  const rows = undisturbed.words.map((word, i) => {
    const ends = (['before', 'after'] as const).map((when) => {
      const end = oneFailover(newStage(), lines, (world) => ({
        write: i + 1,
        when,
        how: trouble(world),
      }));
      return `${when}: ${end.said}`;
    });
    return `${String(i + 1).padStart(2)} ${word.padEnd(36)} ${by} ${ends.join('   ')}`;
  });
  return [`undisturbed: ${undisturbed.said}`, ...rows];
}

function oneFailover(
  stage: Stage,
  lines: readonly string[],
  interrupt: (world: World) => Interruption | undefined,
): End {
  for (const line of ['cluster nodes=a,b,c', 'set db on=a', 'run 20s']) stage.command(line);
  const { world } = stage;
  world.checkers.killAt = interrupt(world);
  const from = world.lines?.length ?? 0;
  const failedAt = world.now;
  for (const line of lines) stage.command(line);
  let runsAfterMs: number | undefined;
  world.run(patienceMs, () => {
    const pod = world.store.find('pods', 'db-0', 'default');
    const { episodes } = world.checkers;
    const isDecided = episodes > 0 || world.now - failedAt > lostMs;
    const isClean = isDecided && world.checkers.missing().length === 0;
    const runs = pod?.status?.phase === 'Running' && (pod.spec.nodeName !== 'a' || isClean);
    if (runs) runsAfterMs ??= world.now - failedAt;
    return runs && isClean;
  });
  const words = (world.lines ?? [])
    .slice(from)
    .flatMap((line) => /(?:one|two): (\w+) a, (\w+ \w+)$/.exec(line)?.slice(1).join(' ') ?? []);
  const { episodes, violations } = world.checkers;
  const runs = runsAfterMs === undefined ? '!! never' : `${(runsAfterMs / 1000).toFixed(1)} s`;
  const broken = [...violations, ...world.checkers.missing()];
  const said = episodes === 0 ? 'not begun' : runs;
  return { words, said: `${said}${broken.map((one) => ` !! ${one}`).join('')}` };
}
