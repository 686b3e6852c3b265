import { randomUUID } from 'node:crypto';
import { copyFileSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ArrayAdmin } from '../array/admin-client.ts';
import type { WriterSummary } from '../array/judge.ts';
import { type ApiServer, startApiServer } from '../double/api-server.ts';
import { ControlPlane, type ControlPlaneOptions } from '../model/control-plane.ts';
import type { StoreEvent } from '../model/event-log.ts';
import { Store } from '../model/store.ts';
import { ApiClient } from './api-client.ts';
import { ControllerReplica } from './controller-replica.ts';
import { eventually } from './eventually.ts';
import { GrpcDriver } from './grpc-driver.ts';
import { ManagedProcess } from './process.ts';
import { ProcessMachine } from './process-machine.ts';
import type { Endpoint } from './proxy.ts';
import {
  claimObject,
  pvObject,
  slotOfPlan,
  volumeHandle,
  workloadObject,
  type WorkloadPlan,
} from './workload-objects.ts';

export const driverName = 'test.csi-failover.io';
/** Of the driver and everything beside it. */
export const driverNamespace = 'csi-driver';

export interface BedOptions {
  /** Names of the workers; default three. They are created, and booted by `bootAll`. */
  readonly machines?: readonly string[];
  /** Controller replicas; default 2. */
  readonly replicas?: number;
  /** `dist/csi-failover.cjs` as `npm run build` made it; undefined: a cluster without us. */
  readonly bundle: string | undefined;
  readonly controllerFlags?: readonly string[];
  readonly agentFlags?: readonly string[];
  readonly kubeletFlags?: readonly string[];
  readonly controlPlane?: Omit<ControlPlaneOptions, 'drivers'>;
}

/** One change of one object, with the moment (wall-clock ms) at which the API made it. */
export type Change = StoreEvent & { readonly at: number };

/** What this checkout builds. */
export const bundlePath = fileURLToPath(new URL('../../dist/csi-failover.cjs', import.meta.url));

/** How often the control plane works; attach/detach needs 100 ms or less. */
const stepMs = 50;

const collections = {
  StatefulSet: 'statefulsets',
  Deployment: 'deployments',
  Pod: 'pods',
} as const;

interface Parts {
  readonly runId: string;
  readonly folder: string;
  readonly store: Store;
  readonly controlPlane: ControlPlane;
  readonly server: ApiServer;
  readonly array: ArrayAdmin;
  readonly attacherDriver: ManagedProcess;
  readonly machines: readonly ProcessMachine[];
  readonly replicas: readonly ControllerReplica[];
  readonly things: AsyncDisposableStack;
}

/**
 * A whole cluster on one computer: `await using bed = await startBed({ bundle })`. API server and
 * control plane live in this process; the array, the driver, the machines and our replicas are
 * processes of their own, which end with this one whatever happens to it.
 */
export async function startBed(options: BedOptions): Promise<Bed> {
  const things = new AsyncDisposableStack();
  try {
    return new Bed(await assemble(options, things));
  } catch (error: unknown) {
    await things.disposeAsync();
    throw error;
  }
}

export class Bed implements AsyncDisposable {
  readonly runId: string;
  /** Logs of all processes, kubelets' disks, sockets; removed at the end. */
  readonly folder: string;
  readonly store: Store;
  readonly controlPlane: ControlPlane;
  readonly server: ApiServer;
  readonly array: ArrayAdmin;
  /** The driver's process that external-attacher calls. */
  readonly attacherDriver: ManagedProcess;
  readonly replicas: readonly ControllerReplica[];
  /** Everything that happened to any object since the bed stands. */
  readonly changes: Change[] = [];
  /** The API as a person uses it, past all proxies. */
  readonly api: ApiClient;
  readonly #machines: readonly ProcessMachine[];
  readonly #things: AsyncDisposableStack;

  constructor(parts: Parts) {
    this.runId = parts.runId;
    this.folder = parts.folder;
    this.store = parts.store;
    this.controlPlane = parts.controlPlane;
    this.server = parts.server;
    this.array = parts.array;
    this.attacherDriver = parts.attacherDriver;
    this.replicas = parts.replicas;
    this.#machines = parts.machines;
    this.#things = parts.things;
    this.api = new ApiClient(parts.server.url, 'person');
    this.store.subscribe((event) => this.changes.push({ ...event, at: Date.now() }));
  }

  get machines(): readonly ProcessMachine[] {
    return this.#machines;
  }

  machine(name: string): ProcessMachine {
    const machine = this.#machines.find((one) => one.name === name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  /** Switches everything on and waits until every Node is Ready and knows the driver. */
  async bootAll(withinMs = 60_000): Promise<void> {
    for (const replica of this.replicas) replica.start();
    await Promise.all(this.#machines.map((machine) => machine.boot()));
    await eventually(() => this.#machines.every(({ name }) => this.#isUp(name)), {
      what: 'all nodes to be Ready with the driver registered',
      withinMs,
    });
  }

  /** Creates volume, claim and workload; does not wait for anything. */
  async addWorkload(plan: WorkloadPlan): Promise<void> {
    if (this.store.find('namespaces', plan.namespace) === undefined) {
      must(await this.api.create('namespaces', { metadata: { name: plan.namespace } }));
    }
    if (plan.shares === undefined) {
      await this.array.create(volumeHandle(plan));
      const claim = must(await this.api.create('persistentvolumeclaims', claimObject(plan)));
      must(await this.api.create('persistentvolumes', pvObject(plan, claim.metadata.uid)));
    }
    must(await this.api.create(collections[plan.kind], workloadObject(plan)));
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
    this.api.close();
    await this.#things.disposeAsync();
  }

  #isUp(name: string): boolean {
    const conditions = this.store.find('nodes', name)?.status?.conditions ?? [];
    const drivers = this.store.find('csinodes', name)?.spec.drivers ?? [];
    return (
      conditions.some(({ type, status }) => type === 'Ready' && status === 'True') &&
      drivers.some((driver) => driver.name === driverName)
    );
  }
}

async function assemble(options: BedOptions, things: AsyncDisposableStack): Promise<Parts> {
  const runId = `bed-${randomUUID().slice(0, 8)}`;
  const folder = mkdtempSync(join(tmpdir(), 'bed-'));
  things.defer(() => rmSync(folder, { recursive: true, force: true }));
  const store = new Store({ wallTime: () => Date.now() });
  const server = things.use(await startApiServer({ store }));
  const array = await startArrayProcess(runId, folder, things);
  const api: Endpoint = { host: '127.0.0.1', port: server.port };
  const { bundle } = options;
  const common = { folder, runId, driverName, namespace: driverNamespace, api, bundle };
  const replicas: ControllerReplica[] = [];
  for (let number = 1; number <= (options.replicas ?? 2); number += 1) {
    const name = `controller-${number}`;
    const flags = options.controllerFlags ?? [];
    const replica = { ...common, name, token: name, arrayAdmin: array.admin, flags };
    replicas.push(things.use(await ControllerReplica.create(replica)));
  }
  const machines: ProcessMachine[] = [];
  for (const name of options.machines ?? ['worker-a', 'worker-b', 'worker-c']) {
    const { agentFlags = [], kubeletFlags = [] } = options;
    const machine = { ...common, name, nbd: array.nbd, agentFlags, kubeletFlags };
    machines.push(things.use(await ProcessMachine.create(machine)));
  }
  const attacher = things.adopt(
    await startAttacherDriver({ runId, folder, array }),
    async (one) => {
      one.driver.close();
      await one.process.kill();
    },
  );
  const controlPlane = new ControlPlane(store, {
    ...options.controlPlane,
    drivers: [attacher.driver],
  });
  for (const name of ['default', 'kube-system', 'kube-node-lease', driverNamespace]) {
    store.create('namespaces', { metadata: { name } });
  }
  store.create('csidrivers', { metadata: { name: driverName }, spec: { attachRequired: true } });
  const timer = setInterval(() => controlPlane.step(performance.now()), stepMs);
  things.defer(() => clearInterval(timer));
  return {
    runId,
    folder,
    store,
    controlPlane,
    server,
    array: new ArrayAdmin(array.admin),
    attacherDriver: attacher.process,
    machines,
    replicas,
    things,
  };
}

interface ArrayAddresses {
  /** `host:port` */
  readonly admin: string;
  readonly nbd: Endpoint;
}

async function startArrayProcess(
  runId: string,
  folder: string,
  things: AsyncDisposableStack,
): Promise<ArrayAddresses> {
  const array = things.use(
    new ManagedProcess({
      name: 'array',
      command: process.execPath,
      args: [fileURLToPath(new URL('../array/main.ts', import.meta.url))],
      logFile: join(folder, 'array.log'),
      runId,
    }),
  );
  const line = await eventually(
    () => readFileSync(array.logFile, 'utf8').split('\n', 2).length === 2 && firstLine(array),
    { what: 'the array to say where it listens' },
  );
  const { admin, nbd } = JSON.parse(line) as { readonly admin: string; readonly nbd: string };
  const colon = nbd.lastIndexOf(':');
  return { admin, nbd: { host: nbd.slice(0, colon), port: Number(nbd.slice(colon + 1)) } };
}

function firstLine(child: ManagedProcess): string {
  return readFileSync(child.logFile, 'utf8').split('\n')[0] ?? '';
}

/** The driver that external-attacher speaks to: beside neither replica, so that both may die. */
async function startAttacherDriver(options: {
  readonly runId: string;
  readonly folder: string;
  readonly array: ArrayAddresses;
}): Promise<{ readonly driver: GrpcDriver; readonly process: ManagedProcess }> {
  const { runId, folder, array } = options;
  const endpoint = `unix:${join(folder, 'attacher.sock')}`;
  const child = new ManagedProcess({
    name: 'attacher-driver',
    command: process.execPath,
    args: [
      fileURLToPath(new URL('../driver/main.ts', import.meta.url)),
      '--mode=controller',
      `--endpoint=${endpoint}`,
      `--driver-name=${driverName}`,
      `--array-admin=${array.admin}`,
    ],
    logFile: join(folder, 'attacher-driver.log'),
    runId,
  });
  await eventually(() => child.tail().includes('ready'), { what: 'the driver of the attacher' });
  return { driver: new GrpcDriver(driverName, endpoint), process: child };
}

function must<T>(answer: { readonly object: T | undefined; readonly message: string }): T {
  if (answer.object === undefined) throw new Error(`the API refused: ${answer.message}`);
  return answer.object;
}
