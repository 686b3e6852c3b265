import { uniqueVolumeName } from '../../src/shared/model.ts';
import type { Pod } from './objects.ts';
import type { Store } from './store.ts';

/** A volume of a pod that a CSI driver provides through a bound claim. */
export interface CsiVolume {
  readonly claim: string;
  readonly pv: string;
  readonly driver: string;
  readonly handle: string;
  /** `kubernetes.io/csi/<driver>^<handle>`, as in node status. */
  readonly uniqueName: string;
  /** CSIDriver.spec.attachRequired; true where there is no CSIDriver object. */
  readonly attachRequired: boolean;
  /** May be attached to several nodes: RWX or ROX among the modes, or no modes at all. */
  readonly shared: boolean;
  /** ReadWriteOncePod. */
  readonly onePod: boolean;
  readonly readOnly: boolean;
}

/** What a pod's volumes were when these versions were the newest: asked for all the time. */
const known = new WeakMap<
  Pod,
  { readonly version: number; readonly volumes: readonly CsiVolume[] }
>();

/** Volumes whose claim or PersistentVolume does not exist (yet) are left out. */
export function csiVolumesOf(store: Store, pod: Pod): readonly CsiVolume[] {
  const version = Math.max(
    store.versionOf('persistentvolumeclaims').newest,
    store.versionOf('persistentvolumes').newest,
    store.versionOf('csidrivers').newest,
  );
  const before = known.get(pod);
  if (before?.version === version) return before.volumes;
  const volumes = findVolumes(store, pod);
  known.set(pod, { version, volumes });
  return volumes;
}

function findVolumes(store: Store, pod: Pod): readonly CsiVolume[] {
  const namespace = pod.metadata.namespace ?? '';
  const volumes: CsiVolume[] = [];
  for (const { persistentVolumeClaim: source } of pod.spec.volumes ?? []) {
    if (source === undefined) continue;
    const claim = store.find('persistentvolumeclaims', source.claimName, namespace);
    const volume = csiVolumeOfPv(store, claim?.spec.volumeName ?? '');
    if (volume !== undefined) {
      volumes.push({ ...volume, claim: source.claimName, readOnly: source.readOnly === true });
    }
  }
  return volumes;
}

/** Undefined if there is no such PersistentVolume, or it is not a CSI one. */
export function csiVolumeOfPv(store: Store, pvName: string): CsiVolume | undefined {
  const pv = store.find('persistentvolumes', pvName);
  const csi = pv?.spec.csi;
  if (pv === undefined || csi === undefined) return undefined;
  const modes = pv.spec.accessModes ?? [];
  return {
    claim: pv.spec.claimRef?.name ?? '',
    pv: pvName,
    driver: csi.driver,
    handle: csi.volumeHandle,
    uniqueName: uniqueVolumeName(csi.driver, csi.volumeHandle),
    attachRequired: store.find('csidrivers', csi.driver)?.spec?.attachRequired !== false,
    shared: modes.length === 0 || modes.includes('ReadWriteMany') || modes.includes('ReadOnlyMany'),
    onePod: modes.includes('ReadWriteOncePod'),
    readOnly: false,
  };
}
