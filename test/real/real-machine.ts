import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JsonObject } from '../../src/shared/effect.ts';
import type { NodeBinaries } from '../cluster/binaries.ts';
import type { ApiAccess } from '../machine/api-access.ts';
import { type Told, writeTold } from '../driver/faults.ts';
import { eventually } from '../machine/eventually.ts';
import { writeKubeconfig } from '../machine/kubeconfig.ts';
import type { Machine, RunningWorkload } from '../machine/machine.ts';
import { ManagedProcess } from '../machine/process.ts';
import { cgroupVariable } from './cgroup-variable.ts';
import { cgroupOptions, freezerOf, freshCgroups } from './cgroups.ts';
import { run } from './command.ts';
import { layImages } from './image-store.ts';
import { addressesOf, type Network, type NodeAddresses } from './network.ts';
import { staticPods, writeDisk, writeMemory } from './node-files.ts';
import { workloadsIn, writerPattern } from './running.ts';
import { SystemBus } from './system-bus.ts';

export interface RealMachineOptions {
  readonly name: string;
  /** Counts the machines of a bed: its addresses come from it. */
  readonly index: number;
  readonly folder: string;
  readonly runId: string;
  readonly binaries: NodeBinaries;
  readonly network: Network;
  /** Of the kubelet. */
  readonly access: () => Promise<ApiAccess>;
  /** The store of the images that are there from the first boot on. */
  readonly images: string;
  readonly pauseImage: string;
  readonly kubeletFlags?: readonly string[];
  readonly kubeletConfig?: object;
}

/** What runs in pods, by command lines: ours, in which a driver has no such flag, and others'. */
const programs = {
  agent: '--mode=node --csi-address=',
  controller: '--mode=controller --csi-address=',
  driver: 'main.mjs --mode=node --endpoint=',
  attacher: 'csi-attacher --csi-address=',
} as const;

/** Where drivers read what they are to do wrong: in memory, so that a boot ends it. */
export const driverFaults = { folder: '/run/driver-faults', file: 'faults.json' } as const;

/** What runs on the machine itself, rather than in a pod. */
export type Service = 'block-layer' | 'containerd' | 'kubelet';

/**
 * A worker node with a real kubelet, real containers and real mounts, in PID, mount, network, UTS,
 * IPC and cgroup namespaces of its own. Its power is the first process in there: with that one the
 * kernel kills everything else.
 */
export class RealMachine implements Machine {
  readonly name: string;
  readonly addresses: NodeAddresses;
  readonly #options: RealMachineOptions;
  readonly #services = new Map<Service, ManagedProcess>();
  #init: ManagedProcess | undefined;
  #pid = 0;
  #bootId: string | undefined;
  #cgroups: readonly string[] = [];
  #frozen = false;

  constructor(options: RealMachineOptions) {
    this.name = options.name;
    this.addresses = addressesOf(options.index);
    this.#options = options;
  }

  /** Of this life of the machine; undefined while it is off. */
  get bootId(): string | undefined {
    return this.#bootId;
  }

  /** Power on, with a new boot id; what was on its disk is still there. */
  async boot(): Promise<void> {
    if (this.#bootId !== undefined) throw new Error(`${this.name} is on`);
    const bootId = randomUUID();
    await this.#prepareDisk();
    rmSync(this.#memory, { recursive: true, force: true });
    writeMemory(this.#memory, bootId);
    await this.#powerOn();
    this.#bootId = bootId;
    await this.#options.network.connect(this.name, this.#options.index, this.#pid);
    this.startService('block-layer');
    this.startService('containerd');
    await eventually(() => this.#ctr('version'), {
      what: `containerd on ${this.name}`,
      withinMs: 30_000,
      everyMs: 100,
    });
    this.startService('kubelet');
  }

  /** Everything is gone at once, and nobody is told: connections just fall silent. */
  async powerOff(): Promise<void> {
    this.#bootId = undefined;
    const init = this.#init;
    if (init === undefined) return;
    this.#init = undefined;
    // First the cables: what the kernel says when it closes the sockets of the dead is not heard.
    await this.#options.network.remove(this.name);
    init.signal('SIGKILL');
    // What is frozen dies when it thaws.
    this.thaw();
    await init.exited;
    for (const service of this.#services.values()) await service.kill();
    this.#services.clear();
    this.#pid = 0;
  }

  /** powerOff and boot. */
  async reboot(): Promise<void> {
    await this.powerOff();
    await this.boot();
  }

  /** The service alone; pods go on. */
  async stopService(service: Service): Promise<void> {
    await this.#services.get(service)?.kill();
    this.#services.delete(service);
  }

  startService(service: Service): void {
    if (this.#services.get(service)?.alive === true) return;
    const [command, ...args] = this.#commands()[service];
    this.#services.set(service, this.#start(service, [command ?? '', ...args]));
  }

  async killKubelet(): Promise<void> {
    await this.stopService('kubelet');
  }

  async restartKubelet(): Promise<void> {
    await this.stopService('kubelet');
    this.startService('kubelet');
  }

  /** Nothing on the machine runs, and it does not know: what a zombie is made of. */
  freeze(): void {
    this.#frozen = true;
    this.#freezer('FROZEN');
  }

  thaw(): void {
    this.#frozen = false;
    this.#freezer('THAWED');
  }

  /** A pulled cable; connections that stand hear nothing. */
  cutApi(): void {
    this.#options.network.unplug(this.name, 'nodes');
  }

  hangApi(): void {
    this.#options.network.silence(this.name, 'nodes');
  }

  healApi(): void {
    this.#options.network.heal(this.name, 'nodes');
  }

  cutStorage(): void {
    this.#options.network.unplug(this.name, 'storage');
  }

  hangStorage(): void {
    this.#options.network.silence(this.name, 'storage');
  }

  healStorage(): void {
    this.#options.network.heal(this.name, 'storage');
  }

  /** It runs in a pod, and what ended there the kubelet would start anew: so it stands still. */
  async stopAgent(): Promise<void> {
    await this.signal('agent', 'STOP');
  }

  async startAgent(): Promise<void> {
    await this.signal('agent', 'CONT');
  }

  /** Rejects where no such program runs. */
  async signal(program: keyof typeof programs, signal: 'STOP' | 'CONT' | 'KILL'): Promise<void> {
    await this.run('pkill', `--signal=${signal}`, '--full', '--', programs[program]);
  }

  /** What the driver does wrong here as from now, in both of its modes. */
  tellDriver(told: Told): void {
    const folder = join(`/proc/${this.#pid}/root`, driverFaults.folder);
    mkdirSync(folder, { recursive: true });
    writeTold(join(folder, driverFaults.file), told);
  }

  /** The bus on which a kubelet that starts from now on hears of a shutdown. */
  async startSystemBus(): Promise<SystemBus> {
    const folder = `/proc/${this.#pid}/root/run/dbus`;
    mkdirSync(folder, { recursive: true });
    return await SystemBus.listen(join(folder, 'system_bus_socket'));
  }

  /** A pod that nobody else knows of, as long as this machine has its disk. */
  addStaticPod(name: string, pod: JsonObject): void {
    const file = join(`/proc/${this.#pid}/root`, staticPods, `${name}.json`);
    writeFileSync(file, JSON.stringify(pod));
  }

  async workloads(): Promise<readonly RunningWorkload[]> {
    if (this.#bootId === undefined) return [];
    if (this.#frozen) throw new Error(`${this.name} is frozen`);
    // pgrep fails where it finds nothing, and only then with 1.
    const find = 'pgrep --full --list-full -- "$1" || test $? -eq 1';
    return workloadsIn(await this.run('sh', '-c', find, 'sh', writerPattern), this.#disk);
  }

  /** Runs a command on the machine; what it printed. */
  async run(...command: readonly string[]): Promise<string> {
    return await run('nsenter', ...this.#entry(), ...command);
  }

  /** What the kubelet answers to somebody with a certificate of the cluster. */
  async askKubelet(path: string): Promise<string> {
    const { client = { cert: '', key: '' } } = await this.#options.access();
    const [cert, key] = [join(this.#memory, 'client.crt'), join(this.#memory, 'client.key')];
    writeFileSync(cert, client.cert);
    writeFileSync(key, client.key);
    // Its own certificate nobody has signed.
    const flags = [
      '--silent',
      '--show-error',
      '--fail',
      '--insecure',
      '--cert',
      cert,
      '--key',
      key,
    ];
    return await this.run('curl', ...flags, `https://127.0.0.1:10250${path}`);
  }

  /** Of the machine's own processes, as a mount table of its first process. */
  mountinfo(): string {
    return readFileSync(`/proc/${this.#pid}/mountinfo`, 'utf8');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
  }

  get #memory(): string {
    return join(this.#options.folder, this.name, 'memory');
  }

  get #disk(): string {
    return join(this.#options.folder, this.name, 'disk');
  }

  get #logs(): string {
    return join(this.#options.folder, this.name, 'logs');
  }

  async #prepareDisk(): Promise<void> {
    const access = await this.#options.access();
    mkdirSync(this.#logs, { recursive: true });
    if (existsSync(this.#disk)) return;
    const { name, pauseImage, images, kubeletConfig = {} } = this.#options;
    await layImages(images, join(this.#disk, 'containerd'));
    const machineId = randomUUID().replaceAll('-', '');
    const ca = access.ca ?? '';
    const { addresses } = this;
    const runc = '/usr/sbin/runc';
    writeDisk(this.#disk, { name, machineId, addresses, ca, pauseImage, runc, kubeletConfig });
    writeKubeconfig(join(this.#disk, 'etc/kubernetes/kubelet.kubeconfig'), access);
  }

  async #powerOn(): Promise<void> {
    const { name, folder, runId } = this.#options;
    const tree = process.env[cgroupVariable];
    if (tree === undefined) throw new Error('not started by test/real/in-namespaces.ts');
    await this.#emptied();
    this.#cgroups = freshCgroups(tree, name);
    const kernel = ['--mount', '--uts', '--ipc', '--net', '--cgroup', '--pid', '--fork'];
    const script = fileURLToPath(new URL('node-init.sh', import.meta.url));
    const init = ['bash', script, join(folder, name), name, ...cgroupOptions()];
    const logFile = join(this.#logs, 'init.log');
    this.#init = new ManagedProcess({
      name: `${name}-init`,
      ...inCgroups(this.#cgroups, ['unshare', ...kernel, '--kill-child', ...init]),
      logFile,
      runId,
    });
    const unshare = this.#init;
    await eventually(
      () => {
        if (!unshare.alive) throw new Error(`it ended: ${unshare.tail()}`);
        const { pid } = unshare;
        this.#pid = Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim());
        return this.#pid > 0 && existsSync(`/proc/${this.#pid}/root/run/ready`);
      },
      { what: `${name} to be up`, everyMs: 20 },
    );
  }

  async #ctr(...args: readonly string[]): Promise<string> {
    return await this.run(this.#options.binaries.ctr, '--namespace=k8s.io', ...args);
  }

  #commands(): Readonly<Record<Service, readonly string[]>> {
    const { name, binaries, kubeletFlags = [] } = this.#options;
    return {
      containerd: [
        'env',
        // Where it finds its shim.
        `PATH=${dirname(binaries.containerd)}:${process.env['PATH']}`,
        binaries.containerd,
        '--config=/etc/containerd/config.toml',
      ],
      kubelet: [
        binaries.kubelet,
        '--config=/etc/kubernetes/kubelet.json',
        '--kubeconfig=/etc/kubernetes/kubelet.kubeconfig',
        `--hostname-override=${name}`,
        `--node-ip=${this.addresses.node}`,
        ...kubeletFlags,
      ],
      'block-layer': [
        process.execPath,
        fileURLToPath(new URL('block-layer.ts', import.meta.url)),
        '--folder=/run/block-layer',
      ],
    };
  }

  #start(name: string, command: readonly [string, ...string[]]): ManagedProcess {
    return new ManagedProcess({
      name: `${this.name}-${name}`,
      ...inCgroups(this.#cgroups, ['nsenter', ...this.#entry(), ...command]),
      logFile: join(this.#logs, `${name}.log`),
      runId: this.#options.runId,
    });
  }

  #entry(): readonly string[] {
    if (this.#pid === 0) throw new Error(`${this.name} is off`);
    const kinds = ['--mount', '--uts', '--ipc', '--net', '--cgroup', '--pid'];
    return [`--target=${this.#pid}`, ...kinds];
  }

  #freezer(state: 'FROZEN' | 'THAWED'): void {
    const tree = process.env[cgroupVariable] ?? '';
    writeFileSync(freezerOf(tree, this.name), state);
  }

  /**
   * The kernel takes the dead of the former life away one by one, the last after it has unmounted
   * their disks, which no array answers for any more.
   */
  async #emptied(): Promise<void> {
    const [first] = this.#cgroups;
    if (first === undefined) return;
    await eventually(() => readFileSync(join(first, 'cgroup.procs'), 'utf8') === '', {
      what: `the processes of ${this.name} to be gone`,
      withinMs: 60_000,
    });
  }
}

/**
 * The command, which enters the cgroups first: a cgroup namespace is made of where one is. It has
 * the usual priority, whatever that of this process is: the kubelet gives pods shares of a
 * processor by cgroup, which count for little beside processes of a higher one.
 */
function inCgroups(
  cgroups: readonly string[],
  command: readonly string[],
): { readonly command: string; readonly args: readonly string[] } {
  const enter =
    'while [ "$1" != -- ]; do echo 0 > "$1/cgroup.procs"; shift; done; shift; ' +
    'renice -n 0 -p $$ > /dev/null; exec "$@"';
  return { command: 'sh', args: ['-c', enter, 'sh', ...cgroups, '--', ...command] };
}
