import { randomUUID } from 'node:crypto';
import { copyFileSync, globSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArrayAdmin } from '../array/admin-client.ts';
import type { WriterSummary } from '../array/judge.ts';
import type { DialectName } from '../driver/dialect.ts';
import type { Told } from '../driver/faults.ts';
import type { ApiServer } from '../double/api-server.ts';
import type { ControlPlane, ControlPlaneOptions } from '../model/control-plane.ts';
import type { Store } from '../model/store.ts';
import { ApiClient } from './api-client.ts';
import { type ArrayAddresses, startArrayProcess } from './array-process.ts';
import { compileCache } from './compile-cache.ts';
import { ControllerReplica } from './controller-replica.ts';
import { eventually } from './eventually.ts';
import type { Change, Foundation, LayFoundation, Site } from './foundation.ts';
import { ModelFoundation } from './model-foundation.ts';
import { ManagedProcess } from './process.ts';
import { ProcessMachine } from './process-machine.ts';
import { ScratchFolder } from './scratch-folder.ts';
import { standIn } from './stand-ins.ts';
import { isWatched } from './watched.ts';
import { createWorkload, must } from './create-workload.ts';
import { slotOfPlan, type WorkloadPlan } from './workload-objects.ts';

export const driverName = 'test.csi-failover.io';
/** Of the driver and everything beside it, where nothing else is said. */
export const driverNamespace = 'csi-driver';

export type { Change };

export interface BedOptions {
  /** Beds on one cluster must differ in it, in its namespace, and in the names of machines. */
  readonly driverName?: string;
  /** Of the driver. */
  readonly namespace?: string;
  /** More drivers on the same machines and the same array, each with an installation of ours. */
  readonly otherDriverNames?: readonly string[];
  /** Names of the workers; default three. They are created, and booted by `bootAll`. */
  readonly machines?: readonly string[];
  /** Controller replicas; default 2. */
  readonly replicas?: number;
  /** `dist/csi-failover.cjs` as `npm run build` made it; undefined: a cluster without us. */
  readonly bundle: string | undefined;
  readonly controllerFlags?: readonly string[];
  readonly agentFlags?: readonly string[];
  readonly kubeletFlags?: readonly string[];
  /** How often a pod writes to each of its volumes; default 200 ms. */
  readonly writeIntervalMs?: number;
  /** How the drivers tell the health of volumes; default that of CSI 1.13. */
  readonly dialect?: DialectName;
}

/** What this checkout builds. */
export const bundlePath = fileURLToPath(new URL('../../dist/csi-failover.cjs', import.meta.url));

/** One driver with what stands beside it, but for the machines' parts. */
export interface Installation<F extends Foundation> {
  readonly driverName: string;
  readonly namespace: string;
  readonly foundation: F;
  /** The driver's process that external-attacher calls. */
  readonly attacherDriver: ManagedProcess;
  readonly replicas: readonly ControllerReplica[];
}

interface Parts<F extends Foundation> {
  readonly runId: string;
  readonly folder: string;
  readonly installations: readonly [Installation<F>, ...Installation<F>[]];
  readonly api: ApiClient;
  readonly array: ArrayAdmin;
  readonly machines: readonly ProcessMachine[];
  readonly isOurs: boolean;
  readonly things: AsyncDisposableStack;
}

/**
 * A whole cluster on one computer: `await using bed = await startBed({ bundle })`. API server and
 * control plane live in this process; the array, the driver, the machines and our replicas are
 * processes of their own, which end with this one whatever happens to it.
 */
export function startBed(
  options: BedOptions & { readonly controlPlane?: Omit<ControlPlaneOptions, 'drivers'> },
): Promise<Bed> {
  const lay: LayFoundation<ModelFoundation> = (site) =>
    ModelFoundation.lay(site, options.controlPlane);
  return start(async (things) => new Bed(await assemble(lay, options, things)));
}

/** The same machines, array and helpers on another API and other controllers. */
export function startBedOn<F extends Foundation>(
  lay: LayFoundation<F>,
  options: BedOptions,
): Promise<MachineBed<F>> {
  return start(async (things) => new MachineBed(await assemble(lay, options, things)));
}

async function start<T>(make: (things: AsyncDisposableStack) => Promise<T>): Promise<T> {
  const things = new AsyncDisposableStack();
  try {
    return await make(things);
  } catch (error: unknown) {
    await things.disposeAsync();
    throw error;
  }
}

export class MachineBed<F extends Foundation> implements AsyncDisposable {
  readonly runId: string;
  /** Logs of all processes, kubelets' disks, sockets; removed at the end. */
  readonly folder: string;
  readonly driverName: string;
  readonly foundation: F;
  readonly array: ArrayAdmin;
  /** The driver's process that external-attacher calls. */
  readonly attacherDriver: ManagedProcess;
  readonly replicas: readonly ControllerReplica[];
  /** The first one is what stands above. */
  readonly installations: readonly Installation<F>[];
  /** Everything that happened to any object since the bed stands. */
  readonly changes: Change[] = [];
  /** The API as a person uses it, past all proxies. */
  readonly api: ApiClient;
  readonly #machines: readonly ProcessMachine[];
  /** Whether agents and controllers of ours run on it. */
  readonly #isOurs: boolean;
  readonly #things: AsyncDisposableStack;

  constructor(parts: Parts<F>) {
    this.runId = parts.runId;
    this.folder = parts.folder;
    const [first] = parts.installations;
    this.installations = parts.installations;
    this.driverName = first.driverName;
    this.foundation = first.foundation;
    this.attacherDriver = first.attacherDriver;
    this.replicas = first.replicas;
    this.api = parts.api;
    this.array = parts.array;
    this.#machines = parts.machines;
    this.#isOurs = parts.isOurs && first.replicas.length > 0;
    this.#things = parts.things;
    this.foundation.subscribe((change) => this.changes.push(change));
  }

  get machines(): readonly ProcessMachine[] {
    return this.#machines;
  }

  machine(name: string): ProcessMachine {
    const machine = this.#machines.find((one) => one.name === name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  /**
   * Switches everything on and waits until every Node is Ready and knows the driver, and where
   * agents of ours run, until their silence would mean something to a replica of ours.
   */
  async bootAll(withinMs = 60_000): Promise<void> {
    const replicas = this.installations.flatMap((one) => one.replicas);
    await Promise.all(replicas.map((replica) => replica.start()));
    // One after the other: dozens of processes that start at once starve those of other beds.
    for (const machine of this.#machines) await machine.boot();
    const up = { what: 'all nodes to be Ready with the driver registered', withinMs };
    await eventually(() => {
      const waits = this.#machines.flatMap((machine) => this.#waitsFor(machine));
      if (waits.length > 0) throw new Error(waits.join('; '));
      return true;
    }, up);
    if (!this.#isOurs) return;
    const names = this.#machines.map(({ name }) => name);
    const isSeen = (one: Installation<F>): boolean => isWatched(this.changes, one, names);
    await eventually(() => this.installations.every(isSeen), {
      what: 'somebody to lead who has seen every agent renew',
      withinMs,
    });
  }

  /** Creates volume, claim and workload; does not wait for anything. */
  async addWorkload(plan: WorkloadPlan): Promise<void> {
    await this.foundation.createNamespace(plan.namespace);
    await createWorkload(this, plan);
  }

  /** What the driver beside every replica of ours does wrong, or says that is not true. */
  tellControllerPlugins(told: Told): void {
    for (const replica of this.replicas) replica.tellPlugin(told);
  }

  /** Nodes that take no new pods. */
  async cordon(names: readonly string[], unschedulable: boolean): Promise<void> {
    for (const name of names) {
      must(await this.api.patch('nodes', { name }, { spec: { unschedulable } }));
    }
  }

  /** Who wrote to the plan's volume last, of those whose writes were accepted. */
  async lastWriter(plan: WorkloadPlan): Promise<WriterSummary | undefined> {
    const { writers } = await this.array.verdict();
    return writers
      .filter((one) => one.slot === slotOfPlan(plan) && one.lastAcceptedAt !== undefined)
      .toSorted((a, b) => (a.lastAcceptedAt ?? 0) - (b.lastAcceptedAt ?? 0))
      .at(-1);
  }

  /** Copies the logs of all processes to a folder, in place of what was there. */
  saveLogs(target: string): void {
    rmSync(target, { recursive: true, force: true });
    for (const file of globSync('**/*.log', { cwd: this.folder })) {
      // `worker-a/logs/kubelet.log` is `worker-a-kubelet.log` there.
      const name = file.replace('/logs/', '/').replaceAll('/', '-');
      mkdirSync(target, { recursive: true });
      copyFileSync(join(this.folder, file), join(target, name));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#things.disposeAsync();
  }

  /** What the machine is not yet, with what its dead processes said last. */
  #waitsFor({ name, processes }: ProcessMachine): readonly string[] {
    const conditions = this.foundation.find('nodes', name)?.status?.conditions ?? [];
    const drivers = this.foundation.find('csinodes', name)?.spec.drivers ?? [];
    const isReady = conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
    const absent = this.installations
      .map(({ driverName: wanted }) => wanted)
      .filter((wanted) => !drivers.some((driver) => driver.name === wanted));
    if (isReady && absent.length === 0) return [];
    const dead = [...processes.values()]
      .filter((part) => !part.alive)
      .map((part) => `${part.name} has ended: ${part.tail()}`);
    return [[`${name} Ready: ${isReady}, without ${absent.join()}`, ...dead].join(', ')];
  }
}

/** A bed whose API and controllers are the modelled ones. */
export class Bed extends MachineBed<ModelFoundation> {
  get store(): Store {
    return this.foundation.store;
  }

  get controlPlane(): ControlPlane {
    return this.foundation.controlPlane;
  }

  get server(): ApiServer {
    return this.foundation.server;
  }
}

async function assemble<F extends Foundation>(
  lay: LayFoundation<F>,
  options: BedOptions,
  things: AsyncDisposableStack,
): Promise<Parts<F>> {
  const runId = `bed-${randomUUID().slice(0, 8)}`;
  const { path: folder } = things.use(new ScratchFolder('bed-', { inMemory: true }));
  const array = await startArrayProcess(runId, folder, things);
  const site: Site = {
    runId,
    folder,
    driverName: options.driverName ?? driverName,
    namespace: options.namespace ?? driverNamespace,
    machines: options.machines ?? ['worker-a', 'worker-b', 'worker-c'],
    csiAddress: `unix:${join(folder, 'attacher.sock')}`,
  };
  const install = { lay, options, array, things };
  const first = await installDriver(site, 'controller', install);
  const installations: [Installation<F>, ...Installation<F>[]] = [first];
  for (const name of options.otherDriverNames ?? []) {
    const number = installations.length + 1;
    const other: Site = {
      ...site,
      driverName: name,
      namespace: `${site.namespace}-${number}`,
      // They are of the first one's site, and go with it.
      machines: [],
      csiAddress: `unix:${join(folder, `attacher-${number}.sock`)}`,
    };
    installations.push(await installDriver(other, `controller-of-${number}`, install));
  }
  const machines: ProcessMachine[] = [];
  for (const name of site.machines) {
    const { bundle, agentFlags = [], kubeletFlags = [], writeIntervalMs } = options;
    const machine = await ProcessMachine.create({
      ...site,
      name,
      api: first.foundation.endpoint,
      bundle,
      otherDrivers: installations.slice(1),
      access: (kind, driver) => {
        const own = installations.find((one) => one.driverName === driver) ?? first;
        return own.foundation.access({ kind, node: name });
      },
      nbd: array.nbd,
      agentFlags,
      kubeletFlags,
      dialect: options.dialect ?? 'health',
      ...(writeIntervalMs === undefined ? {} : { writeIntervalMs }),
    });
    machines.push(things.use(machine));
  }
  const api = things.use(new ApiClient(await first.foundation.access({ kind: 'person' })));
  const admin = new ArrayAdmin(array.admin);
  const isOurs = options.bundle !== undefined;
  return { runId, folder, installations, api, array: admin, machines, isOurs, things };
}

/** A driver with its attacher, and our replicas beside it, which are not started yet. */
async function installDriver<F extends Foundation>(
  site: Site,
  replicaName: string,
  {
    lay,
    options,
    array,
    things,
  }: {
    readonly lay: LayFoundation<F>;
    readonly options: BedOptions;
    readonly array: ArrayAddresses;
    readonly things: AsyncDisposableStack;
  },
): Promise<Installation<F>> {
  const { driverName, namespace } = site;
  const attacherDriver = things.use(await startAttacherDriver(site, array));
  const foundation = things.use(await lay(site));
  const replicas: ControllerReplica[] = [];
  for (let number = 1; number <= (options.replicas ?? 2); number += 1) {
    const name = `${replicaName}-${number}`;
    const replica = await ControllerReplica.create({
      ...site,
      name,
      api: foundation.endpoint,
      access: () => foundation.access({ kind: 'controller', name }),
      arrayAdmin: array.admin,
      bundle: options.bundle,
      flags: options.controllerFlags ?? [],
      dialect: options.dialect ?? 'health',
    });
    replicas.push(things.use(replica));
  }
  return { driverName, namespace, foundation, attacherDriver, replicas };
}

/** The driver that external-attacher speaks to: beside neither replica, so that both may die. */
async function startAttacherDriver(
  { runId, folder, driverName, namespace, csiAddress }: Site,
  array: ArrayAddresses,
): Promise<ManagedProcess> {
  const child = new ManagedProcess({
    name: 'attacher-driver',
    command: process.execPath,
    args: [
      standIn('driver'),
      '--mode=controller',
      `--endpoint=${csiAddress}`,
      `--driver-name=${driverName}`,
      `--array-admin=${array.admin}`,
    ],
    env: compileCache,
    logFile: join(folder, `attacher-driver-${namespace}.log`),
    runId,
  });
  await eventually(() => child.tail().includes('ready'), { what: 'the driver of the attacher' });
  return child;
}
