import { randomUUID } from 'node:crypto';
import { copyFileSync, globSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ArrayAdmin } from '../array/admin-client.ts';
import { ensureNodeBinaries } from '../cluster/binaries.ts';
import { ObjectWatch } from '../cluster/object-watch.ts';
import { type Cluster, startCluster } from '../cluster/start-cluster.ts';
import { ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import type { Change } from '../machine/foundation.ts';
import { ManagedProcess } from '../machine/process.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import { kinds } from '../model/objects.ts';
import { makeImageStore, storeVariable } from './image-store.ts';
import { imageNames } from './images.ts';
import { addresses, Network } from './network.ts';
import { RealMachine } from './real-machine.ts';

export interface RealBedOptions {
  /** Names of the workers; default three. */
  readonly machines?: readonly string[];
  readonly kubeletFlags?: readonly string[];
  /** Of its configuration what is not as usual. */
  readonly kubeletConfig?: object;
}

export const arrayAddresses = {
  admin: `${addresses.host}:9000`,
  nbd: `${addresses.array}:10809`,
} as const;

interface Parts {
  readonly folder: string;
  readonly cluster: Cluster;
  readonly api: ApiClient;
  readonly watch: ObjectWatch;
  readonly array: ArrayAdmin;
  readonly machines: readonly RealMachine[];
  readonly things: AsyncDisposableStack;
}

/**
 * A cluster with nothing on it but what Kubernetes brings: a stock control plane and real machines,
 * and an array beside them. `await using bed = await RealBed.start()`.
 */
export class RealBed implements AsyncDisposable {
  /** Logs, disks, sockets; removed at the end. */
  readonly folder: string;
  readonly cluster: Cluster;
  readonly api: ApiClient;
  readonly watch: ObjectWatch;
  readonly array: ArrayAdmin;
  readonly machines: readonly RealMachine[];
  /** Everything that happened to any object since the bed stands. */
  readonly changes: Change[] = [];
  readonly #things: AsyncDisposableStack;

  /** All machines run and are Ready. */
  static async start(options: RealBedOptions = {}): Promise<RealBed> {
    const things = new AsyncDisposableStack();
    try {
      const bed = new RealBed(await assemble(options, things));
      await bed.#bootAll();
      return bed;
    } catch (error: unknown) {
      await things.disposeAsync();
      throw error;
    }
  }

  private constructor(parts: Parts) {
    this.folder = parts.folder;
    this.cluster = parts.cluster;
    this.api = parts.api;
    this.watch = parts.watch;
    this.array = parts.array;
    this.machines = parts.machines;
    this.#things = parts.things;
    this.watch.subscribe((change) => this.changes.push(change));
  }

  machine(name: string): RealMachine {
    const machine = this.machines.find((one) => one.name === name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  isReady(name: string): boolean {
    const conditions = this.watch.find('nodes', name)?.status?.conditions ?? [];
    return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
  }

  /** Copies the logs of all processes to a folder, in place of what was there. */
  saveLogs(target: string): void {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target, { recursive: true });
    const patterns = ['*.log', '*/logs/*.log', '*/disk/log/pods/*/*/*.log'];
    for (const file of patterns.flatMap((one) => globSync(one, { cwd: this.folder }))) {
      const name = file.replace('/logs/', '/').replace('/disk/log/pods/', '/');
      copyFileSync(join(this.folder, file), join(target, name.replaceAll('/', '-')));
    }
    for (const file of globSync('*.log', { cwd: this.cluster.folder })) {
      copyFileSync(join(this.cluster.folder, file), join(target, file));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#things.disposeAsync();
  }

  async #bootAll(): Promise<void> {
    await Promise.all(this.machines.map((machine) => machine.boot()));
    await eventually(() => this.machines.every(({ name }) => this.isReady(name)), {
      what: 'all nodes to be Ready',
      withinMs: 60_000,
    });
  }
}

async function assemble(options: RealBedOptions, things: AsyncDisposableStack): Promise<Parts> {
  const runId = `real-${randomUUID().slice(0, 8)}`;
  const folder = things.use(new ScratchFolder('real-')).path;
  const network = await Network.create();
  const array = await startArray(runId, folder, things);
  const cluster = things.use(
    await startCluster({
      api: { address: addresses.service, port: 443 },
      flags: {
        'kube-apiserver': [
          `--service-cluster-ip-range=${addresses.serviceRange}`,
          '--kubelet-preferred-address-types=InternalIP',
        ],
      },
    }),
  );
  const binaries = await ensureNodeBinaries();
  const images = await imagesFor(folder);
  const api = things.use(new ApiClient(await cluster.access('admin'), 10_000));
  const watch = things.use(new ObjectWatch(api));
  await watch.start([...kinds.keys()]);
  const names = options.machines ?? ['worker-a', 'worker-b', 'worker-c'];
  const machines = names.map((name, index) =>
    things.use(
      new RealMachine({
        name,
        index,
        folder,
        runId,
        binaries,
        network,
        access: () => cluster.access({ node: name }),
        images,
        pauseImage: imageNames.pause,
        ...(options.kubeletFlags && { kubeletFlags: options.kubeletFlags }),
        ...(options.kubeletConfig && { kubeletConfig: options.kubeletConfig }),
      }),
    ),
  );
  return { folder, cluster, api, watch, array, machines, things };
}

/** A store of images: that which several beds share, or one of its own. */
async function imagesFor(folder: string): Promise<string> {
  const shared = process.env[storeVariable];
  if (shared !== undefined) return shared;
  const own = join(folder, 'images');
  await makeImageStore(own);
  return own;
}

async function startArray(
  runId: string,
  folder: string,
  things: AsyncDisposableStack,
): Promise<ArrayAdmin> {
  const script = fileURLToPath(new URL('../array/main.ts', import.meta.url));
  const child = things.use(
    new ManagedProcess({
      name: 'array',
      command: process.execPath,
      args: [script, `--admin=${arrayAddresses.admin}`, `--nbd=${arrayAddresses.nbd}`],
      logFile: join(folder, 'array.log'),
      runId,
    }),
  );
  await eventually(() => readFileSync(child.logFile, 'utf8').includes('\n'), {
    what: 'the array to say where it listens',
  });
  return new ArrayAdmin(arrayAddresses.admin);
}
