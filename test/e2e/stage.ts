/**
 * Scenarios on a real control plane. Several of them share one cluster at a time, so each has a
 * scene of its own: driver, machines and namespace, and looks at nothing else.
 */
import { existsSync } from 'node:fs';
import { driverLabel, enabledLabel, heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import { ClusterFoundation, type ClusterFoundationOptions } from '../cluster/cluster-foundation.ts';
import { type Cluster, sharedCluster } from '../cluster/start-cluster.ts';
import type { JournalEntry } from '../array/judge.ts';
import { type BedOptions, bundlePath, startBedOn } from '../machine/bed.ts';
import type { ControllerReplica } from '../machine/controller-replica.ts';
import { eventually } from '../machine/eventually.ts';
import { slotOfPlan, type WorkloadPlan } from '../machine/workload-objects.ts';
import { shownEvent } from '../demo/describe.ts';
import type { AnyObject, Lease, ResourceName } from '../model/objects.ts';
import { BedStage } from '../scenarios/bed-stage.ts';
import { fence, type Settings } from '../scenarios/stage.ts';

export type { Mark } from '../scenarios/bed-stage.ts';

/** The names under which a scenario lives on a cluster that it shares. */
export interface Scene {
  readonly name: string;
  readonly driverName: string;
  /** On the same machines, each with an installation of ours. */
  readonly otherDrivers?: readonly string[];
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
export const defaultSettings: Settings = { controllerFlags: [fence] };

const heartbeats = ['--heartbeat-interval=1s', '--lost-after=4s'];

/** In fastSettings. */
export const kubeletLostAfterMs = 9_000;

/**
 * About two and a half times as fast, with these flags of the controller added. Leader election and
 * deadlines are as shipped: nothing here waits for them.
 */
export function fastSettings(...flags: readonly string[]): Settings {
  const common = [...heartbeats, `--kubelet-lost-after=${kubeletLostAfterMs}ms`];
  return {
    controllerFlags: [...common, '--cooldown=0s', fence, ...flags],
    agentFlags: common,
    kubeletFlags: ['--lease-duration-seconds=12'],
  };
}

export interface ClusterStageOptions extends Omit<BedOptions, 'bundle'> {
  /** Default: what this checkout builds. */
  readonly bundle?: string;
  /** A cluster of its own, for what breaks the control plane; the stage ends it. */
  readonly cluster?: Cluster;
  readonly foundation?: ClusterFoundationOptions;
}

export class ClusterStage extends BedStage<ClusterFoundation> {
  readonly scene: Scene;
  readonly cluster: Cluster;
  readonly #openedAt = Date.now();

  private constructor(bed: BedStage<ClusterFoundation>['bed'], scene: Scene, cluster: Cluster) {
    super(bed, `e2e-${scene.name}`);
    this.scene = scene;
    this.cluster = cluster;
  }

  /** Resolves when all machines run, one of our replicas leads and has seen every heartbeat. */
  static async open(scene: Scene, options: ClusterStageOptions): Promise<ClusterStage> {
    if (!existsSync(bundlePath)) throw new Error('dist/csi-failover.cjs is missing: npm run build');
    const { cluster = await sharedCluster(), foundation, ...bedOptions } = options;
    const { driverName, otherDrivers = [], machines } = scene;
    const bed = await startBedOn((site) => ClusterFoundation.lay(cluster, site, foundation), {
      bundle: bundlePath,
      driverName,
      otherDriverNames: otherDrivers,
      namespace: `${scene.namespace}-driver`,
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

  /**
   * Runs each workload on the first of the machines where it may run; the others of them are where
   * it may go. Resolves when all of them write.
   */
  async seat(plans: readonly WorkloadPlan[]): Promise<void> {
    const { bed } = this;
    const { machines } = this.scene;
    await bed.cordon(machines, true);
    // One machine at a time: of several that a pod may have, the scheduler takes any.
    for (const seat of new Set(plans.map(seatOf))) {
      const own = plans.filter((plan) => seatOf(plan) === seat);
      await bed.cordon([seat], false);
      for (const plan of own) await bed.addWorkload(plan);
      await eventually(() => own.every((plan) => this.podOf(plan)?.spec.nodeName === seat), {
        what: `${own.map(({ name }) => name).join(', ')} to be bound to ${seat}`,
        withinMs: 60_000,
      });
      await bed.cordon([seat], true);
    }
    await bed.cordon(machines, false);
    for (const plan of plans) await this.writesOn(plan, seatOf(plan), { withinMs: 60_000 });
  }

  /** What of ours stands on these machines. */
  leftOn(machines: readonly string[]): readonly string[] {
    return this.leftOvers().filter((left) => machines.some((name) => left.endsWith(name)));
  }

  /** Waits until nothing of ours is left on these machines. */
  async releasedOf(machines: readonly string[], withinMs: number): Promise<void> {
    await eventually(() => this.leftOn(machines).length === 0, {
      what: `${machines.join(', ')} to be released`,
      withinMs,
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}; left: ${this.leftOvers().join(', ')}`);
    });
  }

  /**
   * The last thing that the array heard of the plan before its replacement wrote first; undefined
   * while there is no replacement.
   */
  async lastBeforeReplacement(plan: WorkloadPlan): Promise<JournalEntry | undefined> {
    const own = (await this.bed.array.journal()).filter(({ slot }) => slot === slotOfPlan(plan));
    const first = own.findIndex(({ podUid, accepted }) => accepted && podUid !== own[0]?.podUid);
    return first < 0 ? undefined : own[first - 1];
  }

  /** Waits until the array has rejected a write of this machine to the plan's volume. */
  async rejected(plan: WorkloadPlan, machine: string): Promise<void> {
    await eventually(
      async () => {
        const { writers } = await this.bed.array.verdict();
        const own = writers.filter((one) => one.slot === slotOfPlan(plan));
        return own.some((one) => one.nodeId === machine && one.rejected > 0);
      },
      { what: `writes of ${machine} for ${plan.name} to be rejected`, withinMs: 20_000 },
    );
  }

  /** Has this replica lead: the others are started again. Answers as whom it leads. */
  async appoint(replica: ControllerReplica): Promise<string> {
    const others = this.bed.replicas.filter((one) => one !== replica);
    for (const other of others) await other.stopController();
    await this.led();
    const identity = this.leader();
    for (const other of others) await other.start();
    return identity;
  }

  /** Waits until somebody leads who is there: has renewed his lease from now on. */
  async led(): Promise<void> {
    const mark = this.mark();
    const renewed = (): boolean =>
      this.changes(mark).some(
        ({ resource, object }) =>
          resource === 'leases' && object.metadata.name === leaderLease(this.bed.driverName),
      );
    await eventually(() => this.leader() !== '' && renewed(), { what: 'somebody to lead' });
  }

  /** Waits until somebody leads and every machine has a heartbeat, for every driver. */
  async watched(): Promise<void> {
    const { installations } = this.bed;
    const isWatched = ({ driverName }: { readonly driverName: string }): boolean =>
      this.leader(driverName) !== '' && this.#haveHeartbeats(driverName);
    await eventually(() => installations.every(isWatched), {
      what: 'a leader, and a heartbeat of every machine',
      withinMs: 60_000,
    });
  }

  /** The identity of the replica that leads; empty: none does. */
  leader(driverName = this.bed.driverName): string {
    return this.#lease(driverName, leaderLease(driverName))?.spec?.holderIdentity ?? '';
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
    const { driverName, otherDrivers = [], machines } = this.scene;
    const isDriver = (word = ''): boolean => [driverName, ...otherDrivers].includes(word);
    const own: Partial<Readonly<Record<ResourceName, boolean>>> = {
      nodes: machines.includes(name),
      csinodes: machines.includes(name),
      leases:
        machines.includes(name) ||
        isDriver(labels?.[driverLabel]) ||
        name === leaderLease(driverName),
      volumeattachments: isDriver(specOf(object).attacher),
      persistentvolumes: isDriver(specOf(object).csi?.driver),
      // Those of a scene of this name that stood here before are kept for an hour.
      events:
        Date.parse(object.metadata.creationTimestamp) > this.#openedAt - 1_000 &&
        (namespace === this.scene.namespace ||
          [...machines, driverName].includes(shownEvent(object).name)),
    };
    return own[resource] ?? (namespace === undefined || namespace === this.scene.namespace);
  }

  #haveHeartbeats(driverName: string): boolean {
    return this.scene.machines.every(
      (node) => this.#lease(driverName, heartbeatLease(driverName, node)) !== undefined,
    );
  }

  #lease(driverName: string, name: string): Lease | undefined {
    const { installations, foundation } = this.bed;
    const namespace = installations.find((one) => one.driverName === driverName)?.namespace;
    return foundation.find('leases', name, namespace);
  }
}

function seatOf({ name, nodes }: WorkloadPlan): string {
  const [seat] = nodes ?? [];
  if (seat === undefined) throw new Error(`${name} may run nowhere`);
  return seat;
}

interface DriverSpec {
  readonly attacher?: string;
  readonly csi?: { readonly driver?: string };
}

function specOf(object: AnyObject): DriverSpec {
  return (object as { readonly spec?: DriverSpec }).spec ?? {};
}
