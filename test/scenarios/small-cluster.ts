import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import type { FenceRecord } from '../../src/shared/record.ts';
import { encodeBlock } from '../array/block.ts';
import { judge, type Verdict } from '../array/judge.ts';
import { startArray } from '../array/start-array.ts';
import type { StorageArray } from '../array/storage-array.ts';
import { startApiServer, type ApiServer, type RequestRecord } from '../double/api-server.ts';
import { startDriver } from '../driver/start-driver.ts';
import { FakeClock } from '../fake-clock.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import {
  claimObject,
  pvObject,
  slotOfPlan,
  volumeHandle,
  workloadObject,
  type WorkloadPlan,
} from '../machine/workload-objects.ts';
import type { Driver, DriverAnswer } from '../model/attacher.ts';
import { ModelCluster, nodeIdOf, testDriver } from '../model/cluster.ts';
import type { StoreEvent } from '../model/event-log.ts';
import { KillableController } from './killable-controller.ts';
import { ModelAgent } from './model-agent.ts';
import { requestWord } from './request-word.ts';
import { type History, recordOf } from './traces.ts';

const stepMs = 50;
const writeEveryMs = 200;
const volumeBytes = 64 * 1024 * 1024;
/** Of the event loop in one step, so that a request and its answer get through in about one. */
const turnsPerStep = 12;
/** A step takes a few milliseconds, and watches count as dead without life for two minutes. */
const bookmarkIntervalMs = 250;
const dayMs = 86_400_000;

/** An array and a driver's controller plugin that several small clusters use. */
export interface Storage extends AsyncDisposable {
  readonly array: StorageArray;
  /** `unix:/path` */
  readonly csiAddress: string;
  readonly folder: string;
}

export async function startStorage(): Promise<Storage> {
  await using things = new AsyncDisposableStack();
  const { path: folder } = things.use(new ScratchFolder('small-', { inMemory: true }));
  const { array, adminAddress } = things.use(await startArray());
  const csiAddress = `unix:${join(folder, 'csi.sock')}`;
  const driver = { endpoint: csiAddress, mode: 'controller', driverName: testDriver } as const;
  things.use(await startDriver({ ...driver, arrayAdmin: adminAddress }));
  const owned = things.move();
  return { array, csiAddress, folder, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** Where the replica that leads dies: at the first request of this word, whoever asks it. */
export interface KillPoint {
  readonly request: string;
  /** Before: it is never executed. After: it is, and the answer is lost. */
  readonly when: 'before' | 'after';
}

/** What is waited for, in words that complete "without". */
export interface Until {
  readonly what: string;
  readonly holds: () => boolean;
}

export interface SmallClusterOptions {
  readonly storage: Storage;
  /** Tells clusters on one array apart: the namespace of the workloads. */
  readonly name: string;
  readonly controllerFlags: readonly string[];
  readonly heartbeatIntervalMs: number;
  readonly kubeletLeaseSeconds: number;
  readonly kill: KillPoint | undefined;
}

/**
 * A cluster in this process: the modelled Kubernetes with machines that write to a real array, a
 * real HTTP API, and two replicas of the real controller mode. Its time passes only in `pass`, in
 * steps that leave everybody the turns of the event loop that they need: a busy computer slows it
 * down as a whole, and a minute of it takes a second or two.
 */
export class SmallCluster implements AsyncDisposable {
  readonly cluster: ModelCluster;
  readonly changes: StoreEvent[] = [];
  /** What our replicas asked the API to change, in order. */
  readonly words: string[] = [];
  /** Who was killed. */
  killed: string | undefined;
  readonly #options: SmallClusterOptions;
  readonly #things = new AsyncDisposableStack();
  readonly #agents: readonly ModelAgent[];
  readonly #controllers: KillableController[] = [];
  /** By volume handle. */
  readonly #plans = new Map<string, WorkloadPlan>();
  /** The last accepted write, by volume handle. */
  readonly #lastWrites = new Map<string, { readonly node: string; readonly seq: number }>();
  /** The deadline of a call to the driver is a real time of day, which must not be over already. */
  readonly #clock = new FakeClock({ wallTime: Date.now() + dayMs });
  #server: ApiServer | undefined;
  #wroteAt = 0;

  static async start(options: SmallClusterOptions): Promise<SmallCluster> {
    const small = new SmallCluster(options);
    try {
      await small.#start();
      return small;
    } catch (error: unknown) {
      await small[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(options: SmallClusterOptions) {
    this.#options = options;
    const { storage, name, heartbeatIntervalMs: intervalMs, kubeletLeaseSeconds } = options;
    this.cluster = new ModelCluster({
      stepMs,
      kubelet: {
        leaseDurationSeconds: kubeletLeaseSeconds,
        leaseRenewIntervalMs: (kubeletLeaseSeconds * 1_000) / 4,
      },
      controlPlane: { drivers: [new ArrayDriver(testDriver, storage.array)] },
    });
    const { store, machines } = this.cluster;
    store.create('namespaces', { metadata: { name } });
    store.subscribe((change) => this.changes.push(change));
    this.#agents = [...machines.values()].map(
      (machine) => new ModelAgent({ machine, store, driver: testDriver, intervalMs }),
    );
  }

  /**
   * Gives StatefulSets and Deployments their volumes and runs them on this node: the others take no
   * new pods.
   */
  place(plans: readonly WorkloadPlan[], node: string): void {
    const { store } = this.cluster;
    this.cordonOthers(node, true);
    for (const plan of plans) {
      this.#options.storage.array.createVolume(volumeHandle(plan), volumeBytes);
      const claim = store.create('persistentvolumeclaims', claimObject(plan));
      if (!claim.ok) throw new Error(claim.message);
      store.create('persistentvolumes', pvObject(plan, claim.object.metadata.uid));
      const resource = plan.kind === 'StatefulSet' ? 'statefulsets' : 'deployments';
      store.create(resource, workloadObject(plan));
      this.#plans.set(volumeHandle(plan), plan);
    }
  }

  cordonOthers(node: string, unschedulable: boolean): void {
    for (const name of this.cluster.machines.keys()) {
      const body = { spec: { unschedulable: unschedulable && name !== node } };
      this.cluster.store.patch('nodes', { name }, body);
    }
  }

  /** The machine loses the API and nothing else: its pods go on writing as long as they can. */
  cutOff(node: string, cut: boolean): void {
    this.cluster.machine(node).cutApi(cut);
    for (const agent of this.#agents) if (agent.machine.name === node) agent.running = !cut;
  }

  /** The machine from which the plan's last accepted write came. */
  writerOf(plan: WorkloadPlan): string | undefined {
    return this.#lastWrites.get(volumeHandle(plan))?.node;
  }

  /** Of the array, about the workloads of this cluster. */
  verdict(): Verdict {
    const own = `${this.#options.name}/`;
    return judge(this.#options.storage.array.journal.filter(({ slot }) => slot.startsWith(own)));
  }

  /** Which replica leads. */
  get leader(): string | undefined {
    const lease = this.cluster.store.find('leases', leaderLease(testDriver), 'default');
    return lease?.spec?.holderIdentity;
  }

  /** How far the episode of this node is; undefined: there is none. */
  phaseOf(node: string): FenceRecord['phase'] | undefined {
    const name = heartbeatLease(testDriver, node);
    return recordOf(this.cluster.store.find('leases', name, 'default'))?.phase;
  }

  get history(): History {
    const requests = this.#server?.requests ?? [];
    return { driver: testDriver, changes: this.changes, requests };
  }

  saveLogs(folder: string): void {
    mkdirSync(folder, { recursive: true });
    for (const { name, logLines } of this.#controllers) {
      writeFileSync(join(folder, `${this.#options.name}-${name}.log`), logLines.join(''));
    }
  }

  /**
   * Lets so much time pass, or less if `until` holds before; answers how much it was. Rejects if
   * `until` never held.
   */
  async pass(durationMs: number, until?: Until): Promise<number> {
    const begin = this.#clock.now();
    while (until?.holds() !== true) {
      if (this.#clock.now() - begin >= durationMs) {
        if (until === undefined) break;
        throw new Error(`${durationMs / 1000} s have passed without ${until.what}`);
      }
      await this.#step();
    }
    return this.#clock.now() - begin;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const controller of this.#controllers) controller.stop();
    const holds = (): boolean => this.#controllers.every(({ ended }) => ended);
    try {
      await this.pass(30_000, { what: 'the end of both replicas', holds });
    } finally {
      await this.#things.disposeAsync();
    }
  }

  async #start(): Promise<void> {
    const { storage, name, controllerFlags } = this.#options;
    const { store } = this.cluster;
    const server = this.#things.use(await startApiServer({ store, bookmarkIntervalMs }));
    this.#server = server;
    server.onRequest((request) => this.#judge(request));
    const folder = join(storage.folder, name);
    mkdirSync(folder);
    const flags = [
      ...controllerFlags,
      `--driver-name=${testDriver}`,
      `--csi-address=${storage.csiAddress}`,
      '--namespace=default',
    ];
    const api = { host: '127.0.0.1', port: server.port };
    for (const replica of ['controller-1', 'controller-2']) {
      const options = { name: replica, folder, api, clock: this.#clock, flags };
      const controller = await KillableController.start(options);
      this.#things.adopt(controller, (one) => one.close());
      this.#controllers.push(controller);
    }
  }

  /** The hook of the API server: decides who lives, before anything is executed. */
  #judge(request: RequestRecord): ReturnType<Parameters<ApiServer['onRequest']>[0]> {
    const { identity } = request;
    if (identity === this.killed) return { dropBefore: true };
    const { kill, name } = this.#options;
    const word = requestWord(request, this.cluster.store, testDriver)?.replace(`pv-${name}-`, '');
    if (word === undefined) return undefined;
    this.words.push(word);
    if (this.killed !== undefined || word !== kill?.request) return undefined;
    this.killed = identity;
    this.#controllers.find((one) => one.name === identity)?.kill();
    return kill.when === 'before' ? { dropBefore: true } : { dropAfter: true };
  }

  async #step(): Promise<void> {
    const { cluster } = this;
    await this.#clock.advance(stepMs);
    cluster.run(stepMs);
    for (const agent of this.#agents) agent.step(cluster.now);
    if (cluster.now - this.#wroteAt >= writeEveryMs) {
      this.#wroteAt = cluster.now;
      this.#write();
    }
    for (let each = 0; each < turnsPerStep; each += 1) await turn();
  }

  /** Every running workload appends a block to its volume, if the array lets its node in. */
  #write(): void {
    for (const { name, running } of this.cluster.machines.values()) {
      for (const { podUid, volumes } of running) {
        for (const { handle } of volumes) this.#append(name, podUid, handle);
      }
    }
  }

  #append(node: string, podUid: string, handle: string): void {
    const plan = this.#plans.get(handle);
    if (plan === undefined) return;
    const seq = (this.#lastWrites.get(handle)?.seq ?? -1) + 1;
    const block = encodeBlock({ slot: slotOfPlan(plan), podUid, seq, time: Date.now() });
    const { array } = this.#options.storage;
    const refusal = array.write(handle, nodeIdOf(node), seq * block.length, block);
    if (refusal === undefined) this.#lastWrites.set(handle, { node, seq });
  }
}

/** The attacher asks once in a step. */
const stepsPerRevocation = 4;

/**
 * The attacher's way to the array: the same array, without the network in between. It revokes one
 * volume after the other, as many do, so that the volumes of an episode are not fenced at once.
 */
class ArrayDriver implements Driver {
  readonly name: string;
  readonly #array: StorageArray;
  /** What is left to do, in order. */
  readonly #revocations: { readonly key: string; stepsLeft: number }[] = [];

  constructor(name: string, array: StorageArray) {
    this.name = name;
    this.#array = array;
  }

  publish(handle: string, nodeId: string): DriverAnswer {
    const answer = this.#array.publish(handle, nodeId);
    return answer.kind === 'ok' ? 'done' : { error: answer.kind };
  }

  unpublish(handle: string, nodeId: string): DriverAnswer {
    const key = `${handle}@${nodeId}`;
    let revocation = this.#revocations.find((one) => one.key === key);
    if (revocation === undefined) {
      revocation = { key, stepsLeft: stepsPerRevocation };
      this.#revocations.push(revocation);
    }
    if (revocation !== this.#revocations[0]) return 'pending';
    revocation.stepsLeft -= 1;
    if (revocation.stepsLeft > 0) return 'pending';
    this.#revocations.shift();
    // An honest array has revoked when the call returns; only its answer is a promise.
    void this.#array.unpublish(handle, nodeId);
    return 'done';
  }

  publishedNodes(handle: string): readonly string[] {
    const volume = this.#array.volumes().find((one) => one.handle === handle);
    return volume?.publishedNodes ?? [];
  }
}
