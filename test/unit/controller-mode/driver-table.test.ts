import { describe, expect, it } from '@jest/globals';
import { fenceOf } from '../../../src/controller-mode/driver-table.ts';

const revoking = [
  'csi-powerstore.dellemc.com',
  'csi-isilon.dellemc.com',
  'csi-unity.dellemc.com',
  'csi-vxflexos.dellemc.com',
  'csi-powermax.dellemc.com',
  'driver.longhorn.io',
  'csi.vsphere.vmware.com',
  'ebs.csi.aws.com',
  'pd.csi.storage.gke.io',
  'disk.csi.azure.com',
  'csi.hetzner.cloud',
  'dobs.csi.digitalocean.com',
  'cinder.csi.openstack.org',
  'csi.hpe.com',
  'io.openebs.csi-mayastor',
  'linstor.csi.linbit.com',
];
const byTaint = [
  'rbd.csi.ceph.com',
  'cephfs.csi.ceph.com',
  'rook-ceph.rbd.csi.ceph.com',
  'my-namespace.cephfs.csi.ceph.com',
];
const nothing = [
  'csi.trident.netapp.io',
  'hostpath.csi.k8s.io',
  'org.democratic-csi.iscsi',
  'org.democratic-csi.nfs-2',
  'csi.san.synology.com',
  'csi.nutanix.com',
  'nfs.csi.k8s.io',
  'local.csi.openebs.io',
  'zfs.csi.openebs.io',
  'topolvm.io',
];

describe('driver table', () => {
  it.each(revoking)('takes the unpublish of %s for a fence', (name) => {
    expect(fenceOf(name)?.fence).toBe('unpublish');
  });

  it.each(byTaint)('fences %s by the out-of-service taint', (name) => {
    expect(fenceOf(name)?.fence).toBe('out-of-service');
  });

  it.each(nothing)('has no fence for %s', (name) => {
    expect(fenceOf(name)?.fence).toBe('none');
  });

  it.each([
    '',
    'example.com',
    'test.csi-failover.io',
    'test.csi-failover.io.one',
    'notrbd.csi.ceph.com',
    '.rbd.csi.ceph.com',
    'org.democratic-csi.',
    'ebs.csi.aws.com.example.com',
    'EBS.csi.aws.com',
    'constructor',
  ])('knows nothing about "%s"', (name) => {
    expect(fenceOf(name)).toBeUndefined();
  });

  it('marks the drivers whose detach may wait for the guest', () => {
    for (const name of ['csi.vsphere.vmware.com', 'ebs.csi.aws.com', 'cinder.csi.openstack.org']) {
      expect(fenceOf(name)?.attention).toContain('guest');
    }
  });

  it('says a whole sentence about every driver', () => {
    for (const name of [...revoking, ...byTaint, ...nothing]) {
      const { claim = '', attention = 'Nothing.' } = fenceOf(name) ?? {};
      expect(claim).toMatch(/^[A-Z].{15,}\.$/);
      expect(attention).toMatch(/^[A-Z].+\.$/);
    }
  });
});
