import type { Announcer } from '../shared/announcer.ts';
import type { Shell } from '../shared/shell.ts';
import { staleView } from './freshness.ts';
import { stormHold } from './guards.ts';
import {
  type Protection,
  ProtectionNotices,
  protectionOn,
  verdictsOfCarriers,
} from './protection.ts';
import type { State } from './state.ts';

const everyMs = 30_000;
/** What is looked at without a pause: deciding must not wait behind this. */
const atOnce = { nodes: 200, pods: 100 } as const;

/**
 * Tells, before anything fails, which labelled pods would not be moved: in a metric for each, and
 * in an Event where it changes. Beside the core and slower, since nothing depends on it.
 */
export function watchProtection({
  state,
  shell: { clock, metrics },
  announcer,
}: {
  readonly state: State;
  readonly shell: Pick<Shell, 'clock' | 'metrics'>;
  readonly announcer: Pick<Announcer, 'announce'>;
}): () => void {
  const stopped = new AbortController();
  const { signal } = stopped;
  let notices = new ProtectionNotices();
  const look = async (): Promise<void> => {
    const isKnown = state.leading && staleView(state, clock.now()) === undefined;
    if (!isKnown) {
      if (state.leading) return;
      notices = new ProtectionNotices();
      announcer.announce([]);
      metrics.setProtection([]);
      return;
    }
    const pods: Protection[] = [];
    const now = clock.now();
    const verdicts = verdictsOfCarriers(state, now);
    // Not an ordinary day: what was said before it still counts after it.
    if (stormHold(state, verdicts, new Set(), now) !== undefined) return;
    let looked = { nodes: 0, pods: 0 };
    for (const node of verdicts.keys()) {
      const found = protectionOn(state, node, clock.now(), verdicts);
      pods.push(...found);
      looked = { nodes: looked.nodes + 1, pods: looked.pods + found.length };
      if (looked.nodes < atOnce.nodes && looked.pods < atOnce.pods) continue;
      looked = { nodes: 0, pods: 0 };
      await clock.sleep(1, signal);
    }
    if (signal.aborted) return;
    announcer.announce(notices.look(pods, clock.now()));
    metrics.setProtection(
      pods.map(({ pod: { namespace, name }, hold }) => ({
        namespace,
        name,
        reason: hold?.word ?? '',
      })),
    );
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      await look();
      await clock.sleep(everyMs, signal);
    }
  };
  void run();
  return () => stopped.abort();
}
