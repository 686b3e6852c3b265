/** What a safety step keeps from happening, read off what happened to the objects of a cluster. */
import {
  enabledLabel,
  fencedTaint,
  holdFinalizer,
  outOfServiceTaint,
  outOfServiceValue,
} from '../../src/shared/names.ts';
import type { RequestRecord } from '../double/api-server.ts';
import type { Change } from '../machine/foundation.ts';
import type { Node, Objects, ResourceName, VolumeAttachment } from '../model/objects.ts';
import { of } from '../scenarios/traces.ts';

export interface Happened {
  readonly driver: string;
  readonly changes: readonly Change[];
  /** What our controllers asked, where that is kept with bodies. */
  readonly requests: readonly RequestRecord[];
  /** Wall-clock ms. */
  readonly now: number;
}

/** Our taint may stand for 5 s; to be seen coming and going takes a busy computer some time. */
const taintPatienceMs = 9_000;

/** Empty: every step was there. */
export function missedSteps(happened: Happened): readonly string[] {
  return [
    ...heldWithoutTaint(happened),
    ...deletedWithoutHold(happened),
    ...taintKept(happened),
    ...takenFromStrangers(happened),
  ];
}

/** A volume was taken from a node on which the scheduler could still put the replacement. */
function heldWithoutTaint({ changes, driver }: Happened): readonly string[] {
  return holdsIn(changes).flatMap(({ object, rv }) => {
    const { nodeName } = object.spec;
    const node = latest(changes, 'nodes', rv).find(({ metadata }) => metadata.name === nodeName);
    const tainted = node?.spec?.taints?.some(({ key }) => key === fencedTaint(driver)) ?? false;
    if (node === undefined || tainted) return [];
    return [`${object.metadata.name} was held while ${nodeName} could still take pods`];
  });
}

/** We deleted a VolumeAttachment whose name anybody could take again at once. */
function deletedWithoutHold({ changes, requests }: Happened): readonly string[] {
  const deleted = new Set(
    requests
      .filter(({ method, identity }) => method === 'DELETE' && identity.startsWith('controller'))
      .map(({ path }) => path.split('/volumeattachments/')[1]),
  );
  return of(changes, 'volumeattachments').flatMap(({ object, old }) => {
    const { name, deletionTimestamp, finalizers = [] } = object.metadata;
    const now = deletionTimestamp !== undefined && old?.metadata.deletionTimestamp === undefined;
    if (!now || !deleted.has(name) || finalizers.includes(holdFinalizer)) return [];
    return [`${name} was deleted without a hold`];
  });
}

/** While it stands attach/detach detaches whatever nobody wants on the node, mounted or not. */
function taintKept({ changes, driver, now }: Happened): readonly string[] {
  const since = new Map<string, number>();
  const sentences: string[] = [];
  const judge = (node: string, until: number): void => {
    const stoodMs = until - (since.get(node) ?? until);
    if (stoodMs > taintPatienceMs) sentences.push(`the out-of-service taint has stood on ${node}`);
  };
  for (const { object, at } of of(changes, 'nodes') as readonly (Change & { object: Node })[]) {
    const { name } = object.metadata;
    const value = outOfServiceValue(driver);
    const stands = object.spec?.taints?.some(
      (taint) => taint.key === outOfServiceTaint && taint.value === value,
    );
    if (stands === true && !since.has(name)) since.set(name, at);
    if (stands === true) continue;
    judge(name, at);
    since.delete(name);
  }
  for (const node of since.keys()) judge(node, now);
  return sentences;
}

/** A pod that never asked for anything lost its volume. */
function takenFromStrangers({ changes }: Happened): readonly string[] {
  return holdsIn(changes).flatMap(({ object, rv }) => {
    const { nodeName, source } = object.spec;
    const claims = latest(changes, 'persistentvolumeclaims', rv).flatMap((claim) =>
      claim.spec.volumeName === source.persistentVolumeName
        ? [`${claim.metadata.namespace}/${claim.metadata.name}`]
        : [],
    );
    return latest(changes, 'pods', rv).flatMap(({ metadata, spec, status }) => {
      const uses = spec.volumes?.some(({ persistentVolumeClaim: claim }) =>
        claims.includes(`${metadata.namespace}/${claim?.claimName}`),
      );
      const finished = status?.phase === 'Failed' || status?.phase === 'Succeeded';
      const stranger = metadata.labels?.[enabledLabel] !== 'true';
      if (uses !== true || finished || !stranger || spec.nodeName !== nodeName) return [];
      return [`${source.persistentVolumeName} was taken away under ${metadata.name}`];
    });
  });
}

/** Every hold when it was begun. */
function holdsIn(
  changes: readonly Change[],
): readonly { readonly object: VolumeAttachment; readonly rv: number }[] {
  return of(changes, 'volumeattachments').filter(
    ({ object, old }) => isHeld(object) && !isHeld(old as VolumeAttachment | undefined),
  );
}

function isHeld(attachment: VolumeAttachment | undefined): boolean {
  return attachment?.metadata.finalizers?.includes(holdFinalizer) === true;
}

/** All objects of a resource as they were before this version of the cluster. */
function latest<R extends ResourceName>(
  changes: readonly Change[],
  resource: R,
  before: number,
): readonly Objects[R][] {
  const objects = new Map<string, Objects[R]>();
  for (const { type, object, rv } of of(changes, resource)) {
    if (rv >= before) continue;
    const { namespace = '', name } = object.metadata;
    if (type === 'DELETED') objects.delete(`${namespace}/${name}`);
    else objects.set(`${namespace}/${name}`, object);
  }
  return [...objects.values()];
}
