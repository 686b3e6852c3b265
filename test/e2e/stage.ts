/**
 * Scenarios on a real control plane. Several of them share one cluster at a time, so each has a
 * scene of its own: driver, machines and namespace, and looks at nothing else.
 */
import { existsSync } from 'node:fs';
import { driverLabel, enabledLabel, heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import { ClusterFoundation, type ClusterFoundationOptions } from '../cluster/cluster-foundation.ts';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import { type BedOptions, bundlePath, driverNamespace, startBedOn } from '../machine/bed.ts';
import { eventually } from '../machine/eventually.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { shownEvent } from '../demo/describe.ts';
import type { AnyObject, ResourceName } from '../model/objects.ts';
import { BedStage } from '../scenarios/bed-stage.ts';
import { fence, shortSettings } from '../scenarios/stage.ts';

export type { Mark } from '../scenarios/bed-stage.ts';

/** The names under which a scenario lives on a cluster that it shares. */
export interface Scene {
  readonly name: string;
  readonly driverName: string;
  /** Of its workloads. */
  readonly namespace: string;
  readonly machines: readonly string[];
}

/** `sceneOf('zombie', 3)`: driver zombie.csi.test, namespace zombie, machines zombie-a to zombie-c. */
export function sceneOf(name: string, machineCount = 3): Scene {
  const letters = Array.from('abcdefghij').slice(0, machineCount);
  const machines = letters.map((letter) => `${name}-${letter}`);
  return { name, driverName: `${name}.csi.test`, namespace: name, machines };
}

/** A workload of one pod that did not ask for anything. */
export function unlabelled(
  { driverName, namespace, machines: nodes }: Scene,
  kind: WorkloadPlan['kind'],
  name: string,
  more: Partial<WorkloadPlan> = {},
): WorkloadPlan {
  return { kind, namespace, name, driverName, nodes, ...more };
}

/** A workload of one pod that asked to be protected. */
export function labelled(
  scene: Scene,
  kind: WorkloadPlan['kind'],
  name: string,
  more: Partial<WorkloadPlan> = {},
): WorkloadPlan {
  return unlabelled(scene, kind, name, { labels: { [enabledLabel]: 'true' }, ...more });
}

/** As shipped. The test driver stands in no table: what its unpublish is worth has to be said. */
export const defaultSettings = { controllerFlags: [fence] } as const;

/** About four times as fast. */
export const fastSettings = shortSettings(fence);

export interface ClusterStageOptions extends Omit<BedOptions, 'bundle'> {
  /** A cluster of its own, for what breaks the control plane; the stage ends it. */
  readonly cluster?: Cluster;
  readonly foundation?: ClusterFoundationOptions;
}

export class ClusterStage extends BedStage<ClusterFoundation> {
  readonly scene: Scene;
  readonly cluster: Cluster;

  private constructor(bed: BedStage<ClusterFoundation>['bed'], scene: Scene, cluster: Cluster) {
    super(bed, `e2e-${scene.name}`);
    this.scene = scene;
    this.cluster = cluster;
  }

  /** Resolves when all machines run, one of our replicas leads and has seen every heartbeat. */
  static async open(scene: Scene, options: ClusterStageOptions): Promise<ClusterStage> {
    if (!existsSync(bundlePath)) throw new Error('dist/csi-failover.cjs is missing: npm run build');
    const { cluster = await sharedCluster(), foundation, ...bedOptions } = options;
    const { driverName, machines } = scene;
    const bed = await startBedOn((site) => ClusterFoundation.lay(cluster, site, foundation), {
      bundle: bundlePath,
      driverName,
      machines,
      ...bedOptions,
    }).catch(async (error: unknown) => {
      await cluster[Symbol.asyncDispose]();
      throw error;
    });
    const stage = new ClusterStage(bed, scene, cluster);
    try {
      await bed.bootAll(90_000);
      await stage.watched();
      return stage;
    } catch (error: unknown) {
      await stage.close();
      throw error;
    }
  }

  /** Waits until somebody leads and every machine has a heartbeat. */
  async watched(): Promise<void> {
    await eventually(() => this.leader() !== '' && this.scene.machines.every(this.#hasHeartbeat), {
      what: 'a leader, and a heartbeat of every machine',
      withinMs: 60_000,
    });
  }

  /** The identity of the replica that leads; empty: none does. */
  leader(): string {
    const { foundation, driverName } = this.bed;
    const lease = foundation.find('leases', leaderLease(driverName), driverNamespace);
    return lease?.spec?.holderIdentity ?? '';
  }

  /** Keys of all taints of the node. */
  taints(node: string): readonly string[] {
    const taints = this.bed.foundation.find('nodes', node)?.spec?.taints ?? [];
    return taints.map(({ key }) => key);
  }

  override async close(): Promise<string> {
    try {
      return await super.close();
    } finally {
      await this.cluster[Symbol.asyncDispose]();
    }
  }

  protected override isOwn(resource: ResourceName, object: AnyObject): boolean {
    const { name, namespace, labels } = object.metadata;
    const { driverName, machines } = this.scene;
    const own: Partial<Readonly<Record<ResourceName, boolean>>> = {
      nodes: machines.includes(name),
      csinodes: machines.includes(name),
      leases:
        machines.includes(name) ||
        labels?.[driverLabel] === driverName ||
        name === leaderLease(driverName),
      volumeattachments: specOf(object).attacher === driverName,
      persistentvolumes: specOf(object).csi?.driver === driverName,
      events: namespace === this.scene.namespace || machines.includes(shownEvent(object).name),
    };
    return own[resource] ?? (namespace === undefined || namespace === this.scene.namespace);
  }

  readonly #hasHeartbeat = (node: string): boolean => {
    const { foundation, driverName } = this.bed;
    const lease = heartbeatLease(driverName, node);
    return foundation.find('leases', lease, driverNamespace) !== undefined;
  };
}

interface DriverSpec {
  readonly attacher?: string;
  readonly csi?: { readonly driver?: string };
}

function specOf(object: AnyObject): DriverSpec {
  return (object as { readonly spec?: DriverSpec }).spec ?? {};
}
