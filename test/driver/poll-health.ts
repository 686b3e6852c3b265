import type { HealthFact } from '../../src/controller-mode/facts.ts';
import { HealthSource as ControllerPoller } from '../../src/controller-mode/health-source.ts';
import type { Fact } from '../../src/node-mode/facts.ts';
import { HealthSource as NodePoller } from '../../src/node-mode/health-source.ts';
import type { CsiConnection } from '../../src/shared/csi/connection.ts';
import type { CsiController } from '../../src/shared/csi/controller.ts';
import { CsiNodeHealth } from '../../src/shared/csi/node-health.ts';
import { createMetrics } from '../../src/shared/metrics.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { silentLog } from '../silent-log.ts';

/**
 * The product's two pollers of health on the real clock, against whole drivers. What they learn is
 * folded into one word for each volume; failures are kept under `failed`.
 */

const noMetrics = () => createMetrics({ version: '', mode: '', startedAt: 0 });

/** As a leader asks for these volumes. */
export function controllerPoller(
  csi: CsiController,
  bound: readonly string[],
  { post, intervalMs }: { readonly post: (fact: HealthFact) => void; readonly intervalMs: number },
): ControllerPoller {
  return new ControllerPoller({
    csi,
    shell: {
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      metrics: noMetrics(),
    },
    post,
    intervalMs,
    isLeading: () => true,
    bound: () => bound,
    troubled: () => [],
  });
}

export interface Polled extends Disposable {
  readonly words: ReadonlyMap<string, string>;
}

export function pollController(csi: CsiController, bound: readonly string[]): Polled {
  const words = new Map<string, string>();
  const post = (fact: HealthFact): void => {
    if (fact.kind === 'HealthListed') {
      for (const [handle, { status }] of fact.volumes) words.set(handle, status);
    } else if (fact.kind === 'HealthRead') {
      words.set(fact.handle, fact.health?.status ?? 'absent');
    } else words.set('failed', fact.code);
  };
  const poller = controllerPoller(csi, bound, { post, intervalMs: 100 });
  poller.start();
  return { words, [Symbol.dispose]: () => poller.stop() };
}

/** As an agent asks for these volumes; `storage` is the node's way to the storage. */
export function pollNode(connection: CsiConnection, handles: readonly string[]): Polled {
  const words = new Map<string, string>();
  const post = (fact: Fact): void => {
    if (fact.kind === 'VolumesFound') words.set('offered', String(fact.offered));
    if (fact.kind === 'StorageAsked') words.set('storage', fact.storage?.status ?? 'no word');
    if (fact.kind !== 'VolumeAsked') return;
    const { answer, handle } = fact;
    if (answer.kind === 'Told') words.set(handle, answer.health.status);
    else words.set('failed', answer.kind === 'Refused' ? answer.code : answer.kind);
  };
  const place = { pv: 'pv', block: false, publishPaths: ['/k/pods/p/mount'], stagingPath: '' };
  const volumes = handles.map((handle) => ({ handle, ...place }));
  const poller = new NodePoller({
    shell: { clock: systemClock, random: Math.random, metrics: noMetrics() },
    driver: new CsiNodeHealth({ connection, deadlineMs: 5_000 }),
    readVolumes: () => Promise.resolve(volumes),
    everyMs: 100,
    deadlineMs: 5_000,
    post,
  });
  poller.start();
  return { words, [Symbol.dispose]: () => poller.stop() };
}
