/** Every name that we write into a cluster, once. Design section 8; README "What it writes". */

export const domain = 'csi-failover.io';

/** On pods; any selector can replace it by `--pod-selector`. */
export const enabledLabel = `${domain}/enabled`;
/** On pods: `retain` (never move) or `delete` (may be deleted although nothing re-creates it). */
export const policyAnnotation = `${domain}/policy`;
/** On our Leases: the CSI driver they belong to. */
export const driverLabel = `${domain}/driver`;
/** On heartbeat Leases, written by the agent only. */
export const reportAnnotation = `${domain}/report`;
/** On heartbeat Leases, written and removed by the controller only. */
export const fenceAnnotation = `${domain}/fence`;
/** On VolumeAttachments: the hold. */
export const holdFinalizer = `${domain}/fence`;
/** On nodes, by a person: releases the episode with this epoch. */
export const releaseAnnotation = `${domain}/release`;
/** On nodes and namespaces, by a person, `true`; the ConfigMap has keys of the same last word. */
export const pausedAnnotation = `${domain}/paused`;
export const dryRunAnnotation = `${domain}/dry-run`;
/** In our namespace: keys `paused`, `dry-run`, `storm-override`, each `true` or not. */
export const switchConfigMap = 'csi-failover';

/**
 * On pods, one per driver: a pod may have volumes of two drivers and then takes part in two
 * episodes.
 */
export function intentAnnotation(driver: string): string {
  return `intent.${domain}/${driver}`;
}

/** NoSchedule, from intent to release. */
export function fencedTaint(driver: string): string {
  return `fenced.${domain}/${driver}`;
}

/** NoSchedule, while the node's driver does not answer. */
export function unavailableTaint(driver: string): string {
  return `unavailable.${domain}/${driver}`;
}

/** Condition of nodes, where it is wanted: whether the driver's volumes can be used there. */
export function storageCondition(driver: string): string {
  return `storage.${domain}/${driver}`;
}

/** Kubernetes' own (KEP-2268); ours is told from others' by its value. */
export const outOfServiceTaint = 'node.kubernetes.io/out-of-service';

/** Every instance of ours, whatever its driver, starts the value of its out-of-service taint so. */
export const outOfServicePrefix = 'csi-failover.';

/** The value by which our out-of-service taint is told from everybody else's. */
export function outOfServiceValue(driver: string): string {
  return `${outOfServicePrefix}${fnv1a(driver)}`;
}

/** The leader-election Lease, in the driver's namespace. */
export function leaderLease(driver: string): string {
  return `csi-failover-${driver}`.toLowerCase();
}

/**
 * The heartbeat Lease of one node. Names of objects end at 253 characters, so a longer one is cut
 * and told apart by a hash of the whole.
 */
export function heartbeatLease(driver: string, node: string): string {
  const name = `${driver}.${node}`.toLowerCase();
  return name.length <= 253 ? name : `${name.slice(0, 244)}.${fnv1a(name)}`;
}

/**
 * The finalizer that external-attacher puts on a VolumeAttachment (pkg/controller/util.go
 * GetFinalizerName).
 */
export function attacherFinalizer(driver: string): string {
  const name = driver.replace(/[^a-zA-Z0-9-]/g, '-');
  return `external-attacher/${name.endsWith('-') ? `${name}X` : name}`;
}

/**
 * On a VolumeAttachment: the id that the volume is published to, which external-attacher notes
 * before it publishes (pkg/controller/csi_handler.go).
 */
export const nodeIdAnnotation = 'csi.alpha.kubernetes.io/node-id';

/** FNV-1a, 32 bits, as 8 hex digits: short, stable, not for secrets. */
export function fnv1a(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
