import { uniqueVolumeName } from '../../src/shared/model.ts';
import { attachmentName } from '../model/attachment-name.ts';
import type { CsiVolume } from '../model/csi-volumes.ts';
import type { KubeletPod, MachineState } from '../model/kubelet-action.ts';
import type {
  CsiDriver,
  CsiNode,
  Lease,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  VolumeAttachment,
} from '../model/objects.ts';
import type { ApiClient } from './api-client.ts';

/** What the API says, as far as a kubelet reads it; the last known where it did not answer. */
export interface ApiView {
  /** The pods of this node were read at least once. */
  readonly synced: boolean;
  readonly node: Node | undefined;
  readonly csiNode: CsiNode | undefined;
  readonly lease: Lease | undefined;
  readonly pods: readonly KubeletPod[];
  readonly attachments: readonly VolumeAttachment[];
}

/** Reads what concerns one node, and keeps what does not change: bound claims and their volumes. */
export class KubeletApi {
  readonly #api: ApiClient;
  readonly #nodeName: string;
  readonly #claims = new Map<string, PersistentVolumeClaim>();
  readonly #pvs = new Map<string, PersistentVolume>();
  readonly #drivers = new Map<string, CsiDriver>();
  #view: ApiView = {
    synced: false,
    node: undefined,
    csiNode: undefined,
    lease: undefined,
    pods: [],
    attachments: [],
  };

  constructor(api: ApiClient, nodeName: string) {
    this.#api = api;
    this.#nodeName = nodeName;
  }

  /** Of the VolumeAttachments only those of volumes that are attached and not yet published. */
  async read(published: MachineState['published']): Promise<ApiView> {
    const name = this.#nodeName;
    const old = this.#view;
    const [node, csiNode, lease, listed] = await Promise.all([
      this.#api.get('nodes', { name }),
      old.csiNode === undefined ? this.#api.get('csinodes', { name }) : undefined,
      old.lease === undefined
        ? this.#api.get('leases', { namespace: 'kube-node-lease', name })
        : undefined,
      this.#api.list('pods', { fieldSelector: `spec.nodeName=${name}` }),
    ]);
    const pods =
      listed === undefined ? old.pods : await Promise.all(listed.map((pod) => this.#read(pod)));
    const current = node.status === 404 ? undefined : (node.object ?? old.node);
    const attached = new Set(current?.status?.volumesAttached?.map((volume) => volume.name));
    this.#view = {
      synced: old.synced || listed !== undefined,
      node: current,
      csiNode: csiNode?.object ?? old.csiNode,
      lease: lease?.object ?? old.lease,
      pods,
      attachments: await this.#attachments(pods, attached, published),
    };
    return this.#view;
  }

  /**
   * By their names: a kubelet may read the attachments of its node, but not list any. It looks at
   * one when node status says that the volume is attached.
   */
  async #attachments(
    pods: readonly KubeletPod[],
    attached: ReadonlySet<string>,
    published: MachineState['published'],
  ): Promise<readonly VolumeAttachment[]> {
    const names = new Set<string>();
    for (const { pod, volumes = [] } of pods) {
      if (pod.metadata.deletionTimestamp !== undefined) continue;
      for (const { driver, handle, uniqueName } of volumes) {
        const mounted = published.some(
          (one) => one.podUid === pod.metadata.uid && one.handle === handle,
        );
        if (mounted || !attached.has(uniqueName)) continue;
        names.add(attachmentName(handle, driver, this.#nodeName));
      }
    }
    const answers = await Promise.all(
      [...names].map((name) => this.#api.get('volumeattachments', { name })),
    );
    return answers.flatMap(({ object }) => (object === undefined ? [] : [object]));
  }

  /** It is being changed: read it again. */
  forgetCsiNode(): void {
    this.#view = { ...this.#view, csiNode: undefined };
  }

  /** The Lease was not there, or not as we thought: look again. */
  forgetLease(): void {
    this.#view = { ...this.#view, lease: undefined };
  }

  async #read(pod: Pod): Promise<KubeletPod> {
    const volumes: CsiVolume[] = [];
    for (const { persistentVolumeClaim: source } of pod.spec.volumes ?? []) {
      if (source === undefined) continue;
      const found = await this.#volume(pod.metadata.namespace ?? '', source.claimName);
      if (found === undefined) return { pod, volumes: undefined };
      // Only CSI volumes concern us.
      if (found !== 'foreign') volumes.push({ ...found, readOnly: source.readOnly === true });
    }
    return { pod, volumes };
  }

  async #volume(
    namespace: string,
    claimName: string,
  ): Promise<Omit<CsiVolume, 'readOnly'> | 'foreign' | undefined> {
    const claim = await kept(this.#claims, `${namespace}/${claimName}`, () =>
      this.#api.get('persistentvolumeclaims', { namespace, name: claimName }),
    );
    const pvName = claim?.spec.volumeName;
    if (pvName === undefined) {
      this.#claims.delete(`${namespace}/${claimName}`);
      return undefined;
    }
    const pv = await kept(this.#pvs, pvName, () =>
      this.#api.get('persistentvolumes', { name: pvName }),
    );
    if (pv === undefined) return undefined;
    const { csi, accessModes = [] } = pv.spec;
    if (csi === undefined) return 'foreign';
    const driver = await kept(this.#drivers, csi.driver, () =>
      this.#api.get('csidrivers', { name: csi.driver }),
    );
    return {
      claim: claimName,
      pv: pvName,
      driver: csi.driver,
      handle: csi.volumeHandle,
      uniqueName: uniqueVolumeName(csi.driver, csi.volumeHandle),
      attachRequired: driver?.spec?.attachRequired !== false,
      shared: accessModes.includes('ReadWriteMany') || accessModes.includes('ReadOnlyMany'),
      onePod: accessModes.includes('ReadWriteOncePod'),
    };
  }
}

async function kept<T>(
  known: Map<string, T>,
  key: string,
  read: () => Promise<{ readonly object: T | undefined }>,
): Promise<T | undefined> {
  const before = known.get(key);
  if (before !== undefined) return before;
  const { object } = await read();
  if (object !== undefined) known.set(key, object);
  return object;
}
