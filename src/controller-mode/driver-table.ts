/**
 * What is known about drivers in the field: by which fence a node's access to their volumes can
 * be taken away. Read in the drivers' code or documentation; a driver that is not here is unknown
 * and nothing of it is moved until a person declares the fence by `--fence`.
 */

export type DriverFence = 'unpublish' | 'out-of-service' | 'none';

export interface DriverEntry {
  readonly fence: DriverFence;
  /** One sentence for people: what detaching does at the storage, or why nothing is moved. */
  readonly claim: string;
  /** One sentence for people, if the fence may fail to confirm or needs a setting of the driver. */
  readonly attention?: string;
}

/**
 * The entry of a driver by its CSIDriver name; undefined for a driver that nobody described here.
 * An exact name goes before a pattern, and a longer pattern before a shorter one.
 */
export function fenceOf(driverName: string): DriverEntry | undefined {
  const exact = byName.get(driverName);
  if (exact !== undefined) return exact;
  const fitting = patterns.filter(({ prefix = '', suffix = '' }) => {
    const longEnough = driverName.length > prefix.length + suffix.length;
    return longEnough && driverName.startsWith(prefix) && driverName.endsWith(suffix);
  });
  const length = (pattern: Pattern): number =>
    (pattern.prefix ?? '').length + (pattern.suffix ?? '').length;
  return fitting.toSorted((a, b) => length(b) - length(a))[0]?.entry;
}

function unpublish(claim: string, attention?: string): DriverEntry {
  return attention === undefined
    ? { fence: 'unpublish', claim }
    : { fence: 'unpublish', claim, attention };
}

function none(claim: string): DriverEntry {
  return { fence: 'none', claim };
}

const guestDetach =
  'A detach may need the guest to cooperate, so it may not confirm while the guest hangs.';

const ceph: DriverEntry = {
  fence: 'out-of-service',
  claim: 'On a node with the out-of-service taint the driver blocklists its client in the cluster.',
  attention: 'Needs a driver release with fencing in ControllerUnpublishVolume (from 2026).',
};

const nodeLocal = none('The data is on one node only, so no other node could run the pod.');
const noUnpublish = none('The driver has no ControllerUnpublishVolume: a detach revokes nothing.');
const noAttach = none('The driver needs no attach: there is no publication to take back.');

const byName: ReadonlyMap<string, DriverEntry> = new Map([
  ['csi-powerstore.dellemc.com', unpublish("Removes the host's mapping at the array.")],
  ['csi-isilon.dellemc.com', unpublish('Removes the node from the clients of the export.')],
  ['csi-unity.dellemc.com', unpublish("Removes the host's access at the array.")],
  ['csi-vxflexos.dellemc.com', unpublish("Unmaps the volume from the node's storage client.")],
  ['csi-powermax.dellemc.com', unpublish("Takes the volume out of the host's masking view.")],
  [
    'csi.trident.netapp.io',
    {
      fence: 'none',
      claim: 'Only volumes with publish enforcement lose the access of one node at a detach.',
      attention: 'With enableForceDetach set in Trident, declare --fence=unpublish.',
    },
  ],
  ['driver.longhorn.io', unpublish('Stops the volume engine on the node and moves it away.')],
  ['csi.vsphere.vmware.com', unpublish("Detaches the disk from the node's VM.", guestDetach)],
  ['ebs.csi.aws.com', unpublish('Detaches the volume from the instance.', guestDetach)],
  ['cinder.csi.openstack.org', unpublish('Detaches the volume from the server.', guestDetach)],
  ['pd.csi.storage.gke.io', unpublish('Detaches the disk from the instance.')],
  ['disk.csi.azure.com', unpublish('Detaches the disk from the VM, by force if needed.')],
  ['csi.hetzner.cloud', unpublish('Detaches the volume from the server.')],
  ['dobs.csi.digitalocean.com', unpublish('Detaches the volume from the droplet.')],
  ['csi.hpe.com', unpublish("Removes the host's access at the array.")],
  [
    'io.openebs.csi-mayastor',
    unpublish(
      'Takes down the published target of the volume.',
      'The replicas stay reachable for a target that another part of the storage still runs.',
    ),
  ],
  [
    'linstor.csi.linbit.com',
    unpublish(
      'Removes the diskless attachment of the node.',
      'A node that holds a replica keeps it: safe only with DRBD quorum switched on.',
    ),
  ],
  ['rbd.csi.ceph.com', ceph],
  ['cephfs.csi.ceph.com', ceph],
  ['csi.san.synology.com', noUnpublish],
  ['csi.nutanix.com', noAttach],
  ['nfs.csi.k8s.io', noAttach],
  ['hostpath.csi.k8s.io', nodeLocal],
  ['local.csi.openebs.io', nodeLocal],
  ['zfs.csi.openebs.io', nodeLocal],
  ['topolvm.io', nodeLocal],
]);

interface Pattern {
  readonly prefix?: string;
  readonly suffix?: string;
  readonly entry: DriverEntry;
}

/** Where whoever installs a driver chooses part of its name. */
const patterns: readonly Pattern[] = [
  // Rook and the ceph-csi operator put their namespace before the name.
  { suffix: '.rbd.csi.ceph.com', entry: ceph },
  { suffix: '.cephfs.csi.ceph.com', entry: ceph },
  { prefix: 'org.democratic-csi.', entry: noUnpublish },
];
