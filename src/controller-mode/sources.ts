import type { JsonObject } from '../shared/effect.ts';
import {
  attachmentView,
  claimView,
  configMapView,
  csiDriverView,
  csiNodeView,
  leaseView,
  namespaceView,
  nodeView,
  pvView,
} from '../shared/kubernetes/convert.ts';
import { podView } from '../shared/kubernetes/convert-pod.ts';
import type { LabelSelector } from '../shared/label-selector.ts';
import { Reflector } from '../shared/kubernetes/reflector.ts';
import type { Transport } from '../shared/kubernetes/transport.ts';
import type { View } from '../shared/model.ts';
import { driverLabel, switchConfigMap } from '../shared/names.ts';
import type { Shell } from '../shared/shell.ts';
import type { WatchFact } from '../shared/watch-fact.ts';
import type { SourceName } from './facts.ts';

/** Which collection each source watches, and what it keeps of an object. */
interface Watched {
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly project: (json: JsonObject) => View;
}

export interface SourcesOptions {
  readonly transport: Transport;
  readonly driver: string;
  readonly namespace: string;
  readonly selectors: readonly LabelSelector[];
  readonly post: (fact: WatchFact) => void;
  readonly shell: Shell;
  /** How long the watch of the kubelets' Leases may be silent while a cluster lives. */
  readonly kubeletSilenceMs: () => number;
}

/**
 * One reflector for each source; pods all, because an unlabelled one may share a volume. Kubelets
 * renew all the time, so their watch is the first to show that a way to the API is half-open: a
 * load balancer keeps our side, nothing comes any more. All streams are opened anew then, rather
 * than that each waits for the bookmark that does not come.
 */
export function createReflectors(options: SourcesOptions): readonly Reflector<View>[] {
  const { transport, post, shell, kubeletSilenceMs } = options;
  const { clock, random, log } = shell;
  const rhythm = {
    silenceMs: kubeletSilenceMs,
    onSilence: () => transport.breakStreams(),
  };
  return Object.entries(watched(options)).map(
    ([source, what]) =>
      new Reflector({
        ...what,
        source,
        transport,
        post,
        clock,
        random,
        log: log.child({ source }),
        ...(source === 'kubeletLeases' ? rhythm : {}),
      }),
  );
}

function watched({
  driver,
  namespace,
  selectors,
}: SourcesOptions): Readonly<Record<SourceName, Watched>> {
  const storage = '/apis/storage.k8s.io/v1';
  const leases = '/apis/coordination.k8s.io/v1/namespaces';
  return {
    nodes: { path: '/api/v1/nodes', project: nodeView },
    pods: { path: '/api/v1/pods', project: (json) => podView(json, selectors) },
    claims: { path: '/api/v1/persistentvolumeclaims', project: claimView },
    pvs: { path: '/api/v1/persistentvolumes', project: pvView },
    attachments: { path: `${storage}/volumeattachments`, project: attachmentView },
    csinodes: { path: `${storage}/csinodes`, project: csiNodeView },
    csidrivers: {
      path: `${storage}/csidrivers`,
      query: { fieldSelector: `metadata.name=${driver}` },
      project: csiDriverView,
    },
    namespaces: { path: '/api/v1/namespaces', project: namespaceView },
    configmaps: {
      path: `/api/v1/namespaces/${namespace}/configmaps`,
      query: { fieldSelector: `metadata.name=${switchConfigMap}` },
      project: configMapView,
    },
    kubeletLeases: { path: `${leases}/kube-node-lease/leases`, project: leaseView },
    heartbeats: {
      path: `${leases}/${namespace}/leases`,
      query: { labelSelector: `${driverLabel}=${driver}` },
      project: leaseView,
    },
  };
}
