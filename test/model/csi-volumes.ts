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

/** Volumes whose claim or PersistentVolume does not exist (yet) are left out. */
export function csiVolumesOf(store: Store, pod: Pod): readonly CsiVolume[] {
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
