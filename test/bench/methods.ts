/** The ways in which a dead machine's pods may come to run elsewhere, side by side. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClusterFoundation } from '../cluster/cluster-foundation.ts';
import type { MachineBed } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import { conditionStatus } from '../model/conditions.ts';
import { of, recordOf } from '../scenarios/traces.ts';

export interface Method {
  /** For names of objects: short, lower-case letters and digits. */
  readonly key: string;
  /** For people. */
  readonly name: string;
  /** One sentence for the reader of the table. */
  readonly about: string;
  /** Flags of our controller; undefined: a cluster without us. */
  readonly controllerFlags: readonly string[] | undefined;
  /** How long it is watched at most, from power-off. */
  readonly patienceMs: number;
  /** Does what this method does by itself; resolves with when it knew of the failure. */
  readonly act: (scene: Scene) => Promise<number>;
}

/** A machine whose power has just gone off. */
export interface Scene {
  readonly bed: MachineBed<ClusterFoundation>;
  readonly victim: string;
  readonly powerOffAt: number;
}

/** The test driver stands in no table of drivers: what its unpublish is worth has to be said. */
const fence = '--fence=unpublish';

/** Dell podmon's array monitor with its defaults: a poll every 5 s, three of them lost. */
const podmonDetectionMs = 13_100;

const stock: Method = {
  key: 'stock',
  name: 'stock Kubernetes',
  about:
    'Nobody does anything. Detection is the moment at which Kubernetes itself calls the node not ready.',
  controllerFlags: undefined,
  patienceMs: 180_000,
  act: notReady,
};

const taintByHand: Method = {
  key: 'taint',
  name: 'out-of-service taint by hand',
  about:
    'As Kubernetes documents it: `node.kubernetes.io/out-of-service=nodeshutdown:NoExecute` on the node at the very moment at which Kubernetes calls it not ready, by somebody who already knows that it is off.',
  controllerFlags: undefined,
  patienceMs: 420_000,
  act: async (scene) => {
    const detectedAt = await notReady(scene);
    const key = 'node.kubernetes.io/out-of-service';
    await taint(scene, { key, value: 'nodeshutdown', effect: 'NoExecute' });
    return detectedAt;
  },
};

const forceDeletion: Method = {
  key: 'force',
  name: 'force deletion by hand',
  about:
    'What podmon and Trident do once they have detected a failure, without any limit of requests: a NoSchedule taint of their own, then every VolumeAttachment and every pod of the node is deleted, the pods with grace period 0. Detection is put at 13.1 s, which is what podmon needs with its defaults.',
  controllerFlags: undefined,
  patienceMs: 420_000,
  act: async (scene) => {
    const { bed, victim, powerOffAt } = scene;
    await sleep(powerOffAt + podmonDetectionMs - Date.now());
    const detectedAt = Date.now();
    await taint(scene, { key: 'example.test/failed', value: 'true', effect: 'NoSchedule' });
    const { api, foundation } = bed;
    const attachments = foundation
      .all('volumeattachments')
      .filter(({ spec }) => spec.nodeName === victim);
    const pods = foundation.all('pods').filter(({ spec }) => spec.nodeName === victim);
    await Promise.all([
      ...attachments.map(({ metadata: { name, uid } }) =>
        api.delete('volumeattachments', { name }, { uid, gracePeriodSeconds: 0 }),
      ),
      ...pods.map(({ metadata: { namespace, name, uid } }) =>
        api.delete('pods', { namespace, name }, { uid, gracePeriodSeconds: 0 }),
      ),
    ]);
    return detectedAt;
  },
};

const ours: Method = {
  key: 'ours',
  name: 'csi-failover',
  about: 'With its default flags. Detection is the moment at which the fence record is written.',
  controllerFlags: [fence],
  patienceMs: 420_000,
  act: recorded,
};

const oursLimited: Method = {
  key: 'slow',
  name: 'csi-failover, 5 requests/s',
  about:
    'With `--kube-api-qps=5 --kube-api-burst=10`, the limit that CSI sidecars have when nobody sets another one.',
  controllerFlags: [fence, '--kube-api-qps=5', '--kube-api-burst=10'],
  patienceMs: 420_000,
  act: recorded,
};

/** In the order of the table. */
export const methods: readonly Method[] = [stock, taintByHand, forceDeletion, ours, oursLimited];

/** Waits until the node is no longer Ready. */
async function notReady({ bed, victim }: Scene): Promise<number> {
  await eventually(
    () => {
      const node = bed.foundation.find('nodes', victim);
      return node !== undefined && conditionStatus(node, 'Ready') !== 'True';
    },
    { what: `${victim} to be not ready`, withinMs: 120_000 },
  );
  return Date.now();
}

async function recorded({ bed, victim, powerOffAt }: Scene): Promise<number> {
  return await eventually(
    () =>
      bed.changes.find(
        (change) =>
          change.at >= powerOffAt &&
          of([change], 'leases').some(
            ({ object }) => object.metadata.name.endsWith(victim) && recordOf(object) !== undefined,
          ),
      )?.at,
    { what: `the fence record of ${victim}`, withinMs: 60_000 },
  );
}

async function taint({ bed, victim: name }: Scene, added: NewTaint): Promise<void> {
  await eventually(
    async () => {
      const { object: node } = await bed.api.get('nodes', { name });
      const taints = [...(node?.spec?.taints ?? []).map((one) => ({ ...one })), { ...added }];
      const { resourceVersion = '' } = node?.metadata ?? {};
      const metadata = { resourceVersion };
      const { status } = await bed.api.patch('nodes', { name }, { metadata, spec: { taints } });
      return status === 200;
    },
    { what: `taint ${added.key} on ${name}` },
  );
}

interface NewTaint {
  readonly key: string;
  readonly value: string;
  readonly effect: 'NoSchedule' | 'NoExecute';
}
