import type { Clock } from '../shared/clock.ts';
import type { CsiController } from '../shared/csi/controller.ts';
import type { HealthOffer } from '../shared/csi/volume-health.ts';
import type { Logger } from '../shared/log.ts';
import type { DriverCapabilities, Fact } from './facts.ts';

const pollMs = 5_000;

/**
 * Asks the driver what it can do: at first, and again after every reconnect, when another version
 * of it may answer. CsiController asks the driver only when the connection is a new one. Returns
 * what ends it.
 */
export function watchDriver({
  csi,
  clock,
  log,
  post,
}: {
  readonly csi: CsiController;
  readonly clock: Clock;
  readonly log: Logger;
  readonly post: (fact: Fact) => void;
}): () => void {
  const stopped = new AbortController();
  const run = async (): Promise<void> => {
    let told: string | undefined;
    while (!stopped.signal.aborted) {
      const { capabilities: known } = await csi.capabilities();
      const { offer } = await csi.healthOffer();
      if (known !== undefined && offer !== undefined) {
        const capabilities: DriverCapabilities = {
          publishUnpublish: known.publishUnpublish,
          listsPublishedNodes: known.listVolumes && known.listVolumesPublishedNodes,
          health: healthOffered(offer),
        };
        const text = JSON.stringify(capabilities);
        if (text !== told) {
          log.info({ capabilities: known }, 'the driver said what it can do');
          post({ kind: 'Driver', capabilities });
        }
        told = text;
      }
      await clock.sleep(known === undefined ? 1_000 : pollMs, stopped.signal);
    }
  };
  void run();
  return () => stopped.abort();
}

/** A listing is one call for all. */
function healthOffered({ list, get }: HealthOffer): DriverCapabilities['health'] {
  return list !== 'none' ? 'list' : get !== 'none' ? 'get' : 'none';
}
