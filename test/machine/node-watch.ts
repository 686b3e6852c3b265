import { setTimeout as sleep } from 'node:timers/promises';
import { type ApiClient, pathOf } from './api-client.ts';

const pauseMs = 300;

/**
 * Tells when the node or a pod on it changes, until the signal. Only a hint that it is time to look:
 * on a bad connection it comes late, or not at all.
 */
export async function watchNode(
  api: ApiClient,
  nodeName: string,
  { signal, changed }: { readonly signal: AbortSignal; readonly changed: () => void },
): Promise<void> {
  const paths = [
    `${pathOf('nodes')}?watch=true&fieldSelector=metadata.name%3D${nodeName}`,
    `${pathOf('pods')}?watch=true&fieldSelector=spec.nodeName%3D${nodeName}`,
  ];
  await Promise.all(
    paths.map(async (path) => {
      while (!signal.aborted) {
        await api.follow(path, signal, changed);
        await sleep(pauseMs, undefined, { signal }).catch(() => undefined);
      }
    }),
  );
}
