import type { Policy } from '../../../src/controller-mode/policy.ts';
import type { NodeSelectorTerms, PodView } from '../../../src/shared/model.ts';
import {
  dryRunAnnotation,
  fencedTaint,
  outOfServiceTaint,
  outOfServiceValue,
  pausedAnnotation,
  policyAnnotation,
} from '../../../src/shared/names.ts';
import { driver, otherDriver } from './views.ts';
import { StorageWorld } from './storage-world.ts';
import { World } from './world.ts';

/** What makes the guard hold, in a world whose labelled pod web-0 is on node n1. */
export interface Row {
  readonly guard: string;
  readonly when: string;
  /** Another guard that sees the same: two nets below one mistake. */
  readonly behind?: string;
  readonly policy?: Partial<Policy>;
  /** Before n1 is lost. */
  readonly before?: (world: World) => void;
  /** A cluster in which n1 has failed in another way than by being lost. */
  readonly failed?: () => World;
  /** After n1 is lost. */
  readonly after?: (world: World) => void;
}

export function worldOf({ policy, before, failed, after }: Partial<Row>): World {
  if (failed !== undefined) return failed();
  const world = World.healthy(5, policy);
  world.workload('web-0', 'n1');
  before?.(world);
  world.lose('n1');
  after?.(world);
  return world;
}

function on(key: string, values: readonly string[], operator = 'In'): NodeSelectorTerms {
  return [[{ field: false, key, operator, values }]];
}

const hostname = 'kubernetes.io/hostname';
export const foreign = { kind: 'foreign', name: 'extra', readOnly: false } as const;

export function withVolume(world: World, volume: PodView['volumes'][number] | string): void {
  const { volumes } = world.findPod('web-0');
  const extra =
    typeof volume === 'string'
      ? ({ kind: 'claim', name: volume, claim: volume, readOnly: false } as const)
      : volume;
  world.changePod('web-0', { volumes: [...volumes, extra] });
}

function rows(
  guard: string,
  conditions: Readonly<Record<string, Omit<Row, 'guard' | 'when'>>>,
): Row[] {
  return Object.entries(conditions).map(([when, row]) => ({ guard, when, ...row }));
}

function elsewhere(world: World, change: Parameters<World['changeNode']>[1]): void {
  for (const node of ['n2', 'n3', 'n4', 'n5']) world.changeNode(node, change);
}

/** Every guard with every condition under which it holds. */
export const table: readonly Row[] = [
  ...rows('paused', {
    'the ConfigMap says so': { after: (w) => w.configMap({ paused: 'true' }) },
    'the node says so': {
      after: (w) => w.changeNode('n1', { annotations: { [pausedAnnotation]: 'true' } }),
    },
    'the namespace says so': { after: (w) => w.namespaceSwitch({ [pausedAnnotation]: 'true' }) },
  }),
  ...rows('storm', {
    'too many nodes are Lost': { before: (w) => w.silent('n2').silent('n3') },
    'others are only Suspect': {
      after: (w) => w.silent('n2', 'agent').silent('n3', 'agent').pass(5_000),
    },
    'others are in an episode': {
      after: (w) => {
        w.record('n2', ['x'], { phase: 'Moved' });
        w.record('n3', ['y'], { phase: 'Moved' });
      },
    },
    'an absolute bound is passed': {
      policy: { maxLostNodes: { count: 1 } },
      before: (w) => w.silent('n2'),
    },
    'the bound is none': { policy: { maxLostNodes: { count: 0 } } },
  }),
  ...rows('unfenceable', {
    'no fence is declared': { policy: { fence: { kind: 'unfenceable', why: 'nobody knows it' } } },
    'the driver needs no attach': {
      after: (w) => {
        const view = w.state.csidrivers.get(driver);
        if (view !== undefined) w.put({ ...view, attachRequired: false });
      },
    },
    'there is no CSIDriver': {
      after: (w) => {
        const view = w.state.csidrivers.get(driver);
        if (view !== undefined) w.remove(view);
      },
    },
    'the driver cannot unpublish': {
      after: (w) => {
        const capabilities = {
          publishUnpublish: false,
          listsPublishedNodes: false,
          health: 'none' as const,
        };
        w.see({ kind: 'Driver', capabilities });
      },
    },
    'the driver has not said what it can': {
      after: (w) => {
        w.state.capabilities = undefined;
      },
    },
  }),
  ...rows('flapping', {
    'its volume has turned bad for the fourth time in ten minutes': {
      failed: () => {
        const world = StorageWorld.stored('none');
        world.workload('web-0', 'n1');
        for (let turn = 0; turn < 4; turn += 1) {
          world.well('n1');
          world.pass(60_000);
          world.sick('n1', ['web-0']);
        }
        return world.pass(30_000);
      },
    },
  }),
  ...rows('foreign-volume', {
    'it has an inline CSI volume': { after: (w) => withVolume(w, { ...foreign, source: 'csi' }) },
    'it has an NFS volume': { after: (w) => withVolume(w, { ...foreign, source: 'nfs' }) },
    'it has an iSCSI volume': { after: (w) => withVolume(w, { ...foreign, source: 'iscsi' }) },
    'it claims a volume that is no CSI volume': {
      after: (w) => {
        w.volume('local', { driver: '' });
        withVolume(w, 'local');
      },
    },
    'it claims what we do not know': { after: (w) => withVolume(w, 'missing') },
    'it claims what is not bound back': {
      after: (w) => {
        w.volume('stale', { claimUid: 'uid-of-an-earlier-claim' });
        withVolume(w, 'stale');
      },
    },
  }),
  ...rows('namespace', {
    'others are allowed, its own is not': { policy: { namespaces: ['shop', 'bank'] } },
  }),
  ...rows('retain', {
    'it is annotated': {
      after: (w) => w.changePod('web-0', { annotations: { [policyAnnotation]: 'retain' } }),
    },
  }),
  ...rows('not-movable', {
    'it is static': { after: (w) => w.changePod('web-0', { mirror: true }) },
    'a DaemonSet owns it': {
      after: (w) => w.changePod('web-0', { owner: { kind: 'DaemonSet', name: 'd', uid: 'u' } }),
    },
    'nothing owns it': { after: (w) => w.changePod('web-0', { owner: undefined }) },
    'it tolerates everything': {
      after: (w) =>
        w.changePod('web-0', {
          tolerations: [{ key: '', operator: 'Exists', value: '', effect: '' }],
        }),
    },
    'it tolerates our taint': {
      after: (w) => {
        const taint = { key: fencedTaint(driver), value: '', effect: 'NoSchedule' };
        w.changePod('web-0', { tolerations: [{ ...taint, operator: 'Equal' }] });
      },
    },
    'its volume is pinned to the node': {
      behind: 'last-place',
      after: (w) => {
        const pv = w.state.pvs.get('pv-web-0');
        if (pv !== undefined) w.put({ ...pv, nodeAffinity: on(hostname, ['n1']) });
      },
    },
  }),
  ...rows('node-id-changed', {
    'CSINode names another id now': {
      after: (w) => {
        const view = w.state.csinodes.get('n1');
        if (view !== undefined) w.put({ ...view, nodeIds: { [driver]: 'id-new' } });
      },
    },
    'the attacher has published to that id, too, and noted it on the VolumeAttachment': {
      before: (w) => w.beat('n1', { nodeId: 'id-n1' }),
      after: (w) => {
        const view = w.state.csinodes.get('n1');
        if (view !== undefined) w.put({ ...view, nodeIds: { [driver]: 'id-new' } });
        w.put({ ...w.findAttachment('web-0', 'n1'), nodeId: 'id-new' });
      },
    },
  }),
  ...rows('duplicate-node', {
    'two boot ids take turns': {
      before: (w) => {
        for (const bootId of ['boot-b', 'boot-n1', 'boot-b']) {
          w.changeHeartbeat('n1', { holder: `n1/${bootId}`, renewTime: w.version() });
        }
      },
    },
  }),
  ...rows('other-remediator', {
    'somebody set the out-of-service taint': {
      after: (w) => w.taint('n1', outOfServiceTaint, 'nodeshutdown'),
    },
    'beside the taint of another instance of ours': {
      after: (w) => {
        w.taint('n1', outOfServiceTaint, outOfServiceValue(otherDriver));
        const taints = w.state.nodes.get('n1')?.taints ?? [];
        const theirs = { key: outOfServiceTaint, value: 'nodeshutdown', effect: 'NoExecute' };
        w.changeNode('n1', { taints: [...taints, theirs] });
      },
    },
  }),
  ...rows('cooldown', {
    'the node was failed over a short while ago': {
      before: (w) => {
        w.record('n1', ['x'], { phase: 'Moved' });
        w.noRecord('n1');
      },
    },
  }),
  ...rows('last-place', {
    'the others are not ready': { after: (w) => elsewhere(w, { ready: 'False' }) },
    'the others are cordoned': { after: (w) => elsewhere(w, { unschedulable: true }) },
    'the others are being deleted': { after: (w) => elsewhere(w, { deleting: true }) },
    'the others are tainted': {
      after: (w) => elsewhere(w, { taints: [{ key: 'k', value: '', effect: 'NoSchedule' }] }),
    },
    'the others lack the driver': {
      after: (w) => {
        for (const [name, view] of w.state.csinodes) {
          if (name !== 'n1') w.put({ ...view, nodeIds: { [otherDriver]: 'x' } });
        }
      },
      policy: { maxLostNodes: { count: 1 } },
    },
    'its selector fits no other': {
      after: (w) => w.changePod('web-0', { nodeSelector: { [hostname]: 'n1' } }),
    },
    'its affinity fits no other': {
      after: (w) => w.changePod('web-0', { nodeAffinity: on(hostname, ['n1']) }),
    },
    'its volume can be reached from no living node': {
      before: (w) => w.silent('n2', 'kubelet'),
      after: (w) => {
        const pv = w.state.pvs.get('pv-web-0');
        if (pv !== undefined) w.put({ ...pv, nodeAffinity: on(hostname, ['n1', 'n2']) });
      },
    },
  }),
  ...rows('dry-run', {
    'the flag says so': { policy: { dryRun: true } },
    'the ConfigMap says so': { after: (w) => w.configMap({ 'dry-run': 'true' }) },
    'the node says so': {
      after: (w) => w.changeNode('n1', { annotations: { [dryRunAnnotation]: 'true' } }),
    },
    'the namespace says so': { after: (w) => w.namespaceSwitch({ [dryRunAnnotation]: 'true' }) },
  }),
];

/** The nodes for which an episode is to begin. */
export function begun(world: World): readonly string[] {
  return world.wanted('BeginEpisode').map(({ node }) => node);
}
