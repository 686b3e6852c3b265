import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Told, writeTold } from '../driver/faults.ts';
import { type ApiAccess, accessThrough } from './api-access.ts';
import { compileCache } from './compile-cache.ts';
import { eventually } from './eventually.ts';
import { freshLoopback } from './fresh-loopback.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import type { Machine, RunningWorkload } from './machine.ts';
import {
  type MachineDriver,
  machineCommand,
  type MachineFlags,
  type Part,
} from './machine-command.ts';
import { ManagedProcess } from './process.ts';
import { type Endpoint, TcpProxy } from './proxy.ts';
import { RuntimeClient } from './runtime-client.ts';

export interface ProcessMachineOptions extends MachineFlags {
  /** The run's folder; short, because the paths of unix sockets end at 107 bytes. */
  readonly folder: string;
  readonly runId: string;
  /** Where the API server listens; the machine has a cable of its own to it. */
  readonly api: Endpoint;
  /** Asked at every boot: as whom the machine's processes come to the API. */
  readonly access: (who: 'kubelet' | 'agent', driverName: string) => Promise<ApiAccess>;
  /** Where the array serves its data. */
  readonly nbd: Endpoint;
}

/**
 * A worker node made of processes: the CSI node plugin, the container runtime that owns the
 * writers, the kubelet's stand-in, and our agent; each a process of its own. `disk` survives a
 * power failure, `memory` (boot id, mount table, sockets) does not.
 */
export class ProcessMachine implements Machine {
  readonly name: string;
  readonly #options: ProcessMachineOptions;
  readonly #api: TcpProxy;
  readonly #storage: TcpProxy;
  readonly #parts = new Map<string, ManagedProcess>();
  /** Its own, so that nobody takes a port of it while it is off. */
  readonly #address = freshLoopback();
  #bootId: string | undefined;

  private constructor(options: ProcessMachineOptions, api: TcpProxy, storage: TcpProxy) {
    this.name = options.name;
    this.#options = options;
    this.#api = api;
    this.#storage = storage;
  }

  /** A machine that is off. */
  static async create(options: ProcessMachineOptions): Promise<ProcessMachine> {
    const [api, storage] = await Promise.all([
      TcpProxy.start(options.api),
      TcpProxy.start(options.nbd),
    ]);
    return new ProcessMachine(options, api, storage);
  }

  get bootId(): string | undefined {
    return this.#bootId;
  }

  /** The pids of what runs, by what it is: a Part, `plugin-2` and `agent-2` of a second driver. */
  get processes(): ReadonlyMap<string, ManagedProcess> {
    return this.#parts;
  }

  get kubeletDir(): string {
    return join(this.#folder('disk'), 'kubelet');
  }

  get mountinfoFile(): string {
    return join(this.#folder('memory'), 'mountinfo');
  }

  async boot(): Promise<void> {
    if (this.#bootId !== undefined) throw new Error(`${this.name} is on`);
    this.#bootId = randomUUID();
    // The connections of the former life: the first thing that a rebooted host does is reset them.
    for (const proxy of [this.#api, this.#storage]) {
      proxy.reset();
      proxy.set('pass');
    }
    const memory = this.#folder('memory');
    rmSync(memory, { recursive: true, force: true });
    for (const folder of [memory, this.#folder('logs'), this.kubeletDir]) {
      mkdirSync(folder, { recursive: true });
    }
    writeFileSync(join(memory, 'boot_id'), `${this.#bootId}\n`);
    writeFileSync(this.mountinfoFile, freshMountTable(this.kubeletDir));
    await this.#login('kubelet');
    for (const part of ['runtime', 'plugin', 'kubelet'] as const) this.#start(part);
    for (const index of this.#drivers.slice(1).keys()) this.#start('plugin', index + 1);
    // After the kubelet: a DaemonSet makes its pod where there is a node.
    for (const index of this.#drivers.keys()) {
      await this.#login('agent', index);
      this.#start('agent', index);
    }
    await eventually(() => this.#runtime().list(), {
      what: `the runtime of ${this.name} to answer`,
    });
  }

  /**
   * As a kubelet with graceful node shutdown does it: pods end and their volumes go, then what runs
   * for the node itself, then the power.
   */
  async shutDown(): Promise<void> {
    this.#parts.get('kubelet')?.signal('SIGUSR2');
    const nothing = freshMountTable(this.kubeletDir);
    await eventually(() => readFileSync(this.mountinfoFile, 'utf8') === nothing, {
      what: `the pods of ${this.name} to end`,
      withinMs: 60_000,
    });
    // What it reports last of itself: nothing is in use any more.
    await sleep(1_000);
    const pods = [...this.#parts].filter(([part]) => /^(agent|plugin)/.test(part));
    await Promise.all(pods.map(([, child]) => child.stop(15_000)));
    await this.powerOff();
  }

  async powerOff(): Promise<void> {
    // A machine without power says nothing any more: not even that it closes its connections.
    for (const proxy of [this.#api, this.#storage]) proxy.set('hang');
    this.#bootId = undefined;
    const parts = [...this.#parts.values()];
    for (const part of parts) part.signal('SIGKILL');
    await Promise.all(parts.map((part) => part.exited));
    this.#parts.clear();
  }

  async reboot(): Promise<void> {
    await this.powerOff();
    await this.boot();
  }

  async killKubelet(): Promise<void> {
    await this.#kill('kubelet');
  }

  async restartKubelet(): Promise<void> {
    await this.#kill('kubelet');
    this.#start('kubelet');
  }

  freeze(): void {
    for (const part of this.#parts.values()) part.signal('SIGSTOP');
  }

  thaw(): void {
    for (const part of this.#parts.values()) part.signal('SIGCONT');
  }

  cutApi(): void {
    this.#api.set('cut');
  }

  hangApi(): void {
    this.#api.set('hang');
  }

  healApi(): void {
    this.#api.set('pass');
  }

  cutStorage(): void {
    this.#storage.set('cut');
  }

  hangStorage(): void {
    this.#storage.set('hang');
  }

  healStorage(): void {
    this.#storage.set('pass');
  }

  async stopAgent(): Promise<void> {
    await this.#parts.get('agent')?.stop(15_000);
    this.#parts.delete('agent');
  }

  startAgent(): Promise<void> {
    if (!this.#parts.has('agent')) this.#start('agent');
    return Promise.resolve();
  }

  /** The CSI node plugin alone ends in good order, and its kubelet forgets it. */
  async stopPlugin(): Promise<void> {
    await this.#parts.get('plugin')?.stop(15_000);
    this.#parts.delete('plugin');
    rmSync(this.#socket('csi'), { force: true });
  }

  startPlugin(): void {
    if (!this.#parts.has('plugin')) this.#start('plugin');
  }

  /** The CSI node plugin alone, stopped or going on: a driver whose socket hangs. */
  freezePlugin(frozen: boolean): void {
    this.#parts.get('plugin')?.signal(frozen ? 'SIGSTOP' : 'SIGCONT');
  }

  /** What the CSI node plugin, alone, does wrong or says that is not true, from now on. */
  tellPlugin(told: Told): void {
    writeTold(this.#faultsFile, told);
  }

  async workloads(): Promise<readonly RunningWorkload[]> {
    if (this.#bootId === undefined) return [];
    const containers = await this.#runtime().list();
    return containers.flatMap(({ slot, podUid, states }) =>
      Object.entries(states).map(([volume, state]) => ({ slot, podUid, volume, state })),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    await Promise.all([this.#api.close(), this.#storage.close()]);
  }

  get #drivers(): readonly MachineDriver[] {
    return [this.#options, ...(this.#options.otherDrivers ?? [])];
  }

  async #login(who: 'kubelet' | 'agent', driver = 0): Promise<void> {
    const access = await this.#options.access(who, this.#drivers[driver]?.driverName ?? '');
    writeKubeconfig(
      this.#kubeconfig(partName(who, driver)),
      accessThrough(access, this.#api.endpoint),
    );
  }

  async #kill(part: Part): Promise<void> {
    await this.#parts.get(part)?.kill();
    this.#parts.delete(part);
  }

  /** `driver`: for which of them, where each has one of its own. */
  #start(part: Part, driver = 0): void {
    const args = this.#command(part, driver);
    if (args === undefined) return;
    const { name, runId } = this.#options;
    const child = new ManagedProcess({
      name: `${name}-${partName(part, driver)}`,
      command: process.execPath,
      args,
      env: compileCache,
      logFile: join(this.#folder('logs'), `${partName(part, driver)}.log`),
      runId,
    });
    this.#parts.set(partName(part, driver), child);
  }

  #command(part: Part, driver: number): readonly string[] | undefined {
    const { host, port } = this.#storage.endpoint;
    const memory = this.#folder('memory');
    return machineCommand(part, {
      ...this.#options,
      ...this.#drivers[driver],
      kubeconfig: this.#kubeconfig(partName(part, driver)),
      csiSocket: this.#socket(partName('csi', driver)),
      plugins: new Map(
        this.#drivers.map(({ driverName }, index) => [
          driverName,
          this.#socket(partName('csi', index)),
        ]),
      ),
      runtimeSocket: this.#socket('runtime'),
      kubeletDir: this.kubeletDir,
      mountinfoFile: this.mountinfoFile,
      bootIdFile: join(memory, 'boot_id'),
      cgroupDir: join(memory, 'cgroup'),
      healthzAddress: `${this.#address}:10248`,
      arrayNbd: `${host}:${port}`,
      faultsFile: this.#faultsFile,
    });
  }

  #runtime(): RuntimeClient {
    return new RuntimeClient(this.#socket('runtime'));
  }

  #socket(name: string): string {
    return join(this.#folder('memory'), `${name}.sock`);
  }

  get #faultsFile(): string {
    return join(this.#options.folder, this.name, 'faults.json');
  }

  /** Each has a name of its own for the API server's journal. */
  #kubeconfig(part: string): string {
    return join(this.#folder('memory'), `kubeconfig-${part}`);
  }

  #folder(name: 'disk' | 'memory' | 'logs'): string {
    return join(this.#options.folder, this.name, name);
  }
}

/** `agent` of the first driver, `agent-2` of the second. */
function partName(part: string, driver: number): string {
  return driver === 0 ? part : `${part}-${driver + 1}`;
}

/** The root and the kubelet's directory, both shared, as on a host that runs a kubelet. */
function freshMountTable(kubeletDir: string): string {
  return [
    '21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw',
    `22 21 8:2 / ${kubeletDir} rw,relatime shared:2 - ext4 /dev/kubelet rw`,
    '',
  ].join('\n');
}
