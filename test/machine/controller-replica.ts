import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { defaultControllerCapabilities } from '../driver/service-capabilities.ts';
import { type DialectName, dialects } from '../driver/dialect.ts';
import { type Told, writeTold } from '../driver/faults.ts';
import { compileCache } from './compile-cache.ts';
import { type ApiAccess, accessThrough } from './api-access.ts';
import { writeKubeconfig } from './kubeconfig.ts';
import { ManagedProcess } from './process.ts';
import { type Endpoint, TcpProxy } from './proxy.ts';
import { standIn } from './stand-ins.ts';

export interface ControllerReplicaOptions {
  readonly name: string;
  readonly folder: string;
  readonly runId: string;
  readonly driverName: string;
  readonly namespace: string;
  readonly api: Endpoint;
  /** Asked at every start: as whom the controller comes to the API. */
  readonly access: () => Promise<ApiAccess>;
  /** `host:port` of the array's administration. */
  readonly arrayAdmin: string;
  /** `dist/csi-failover.cjs`; undefined: only the driver's controller plugin runs. */
  readonly bundle: string | undefined;
  readonly flags?: readonly string[];
  /** How the plugin tells the health of volumes. */
  readonly dialect: DialectName;
}

type Part = 'plugin' | 'controller';

/** A pod of the driver's controller Deployment: the CSI controller plugin and ours beside it. */
export class ControllerReplica implements AsyncDisposable {
  readonly name: string;
  readonly #options: ControllerReplicaOptions;
  readonly #api: TcpProxy;
  readonly #parts = new Map<Part, ManagedProcess>();

  private constructor(options: ControllerReplicaOptions, api: TcpProxy) {
    this.name = options.name;
    this.#options = options;
    this.#api = api;
  }

  static async create(options: ControllerReplicaOptions): Promise<ControllerReplica> {
    return new ControllerReplica(options, await TcpProxy.start(options.api));
  }

  get processes(): ReadonlyMap<Part, ManagedProcess> {
    return this.#parts;
  }

  /** The CSI socket, `unix:/path`. */
  get csiAddress(): string {
    return `unix:${join(this.#folder, 'csi.sock')}`;
  }

  async start(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const access = await this.#options.access();
    writeKubeconfig(this.#kubeconfig, accessThrough(access, this.#api.endpoint));
    for (const part of ['plugin', 'controller'] as const) {
      if (this.#parts.get(part)?.alive !== true) this.#start(part);
    }
  }

  /** SIGKILL of the whole pod. */
  async kill(): Promise<void> {
    const parts = [...this.#parts.values()];
    for (const part of parts) part.signal('SIGKILL');
    await Promise.all(parts.map((part) => part.exited));
    this.#parts.clear();
  }

  /** SIGTERM to ours, as a roll-out does it; the plugin goes on. */
  async stopController(): Promise<void> {
    await this.#parts.get('controller')?.stop(15_000);
    this.#parts.delete('controller');
  }

  /** What the CSI controller plugin does wrong or says that is not true, from now on. */
  tellPlugin(told: Told): void {
    writeTold(this.#faultsFile, told);
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

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#api.close();
  }

  #start(part: Part): void {
    const args = this.#command(part);
    if (args === undefined) return;
    const child = new ManagedProcess({
      name: `${this.name}-${part}`,
      command: process.execPath,
      args,
      env: compileCache,
      logFile: join(this.#folder, `${part}.log`),
      runId: this.#options.runId,
    });
    this.#parts.set(part, child);
  }

  #command(part: Part): readonly string[] | undefined {
    const { driverName, namespace, arrayAdmin, bundle, dialect, flags = [] } = this.#options;
    if (part === 'plugin') {
      const can = [...defaultControllerCapabilities, ...dialects[dialect].controller];
      return [
        standIn('driver'),
        '--mode=controller',
        `--endpoint=${this.csiAddress}`,
        `--driver-name=${driverName}`,
        `--array-admin=${arrayAdmin}`,
        `--capabilities=${can.join(',')}`,
        `--faults-file=${this.#faultsFile}`,
      ];
    }
    if (bundle === undefined) return undefined;
    return [
      bundle,
      '--mode=controller',
      `--namespace=${namespace}`,
      `--driver-name=${driverName}`,
      `--kubeconfig=${this.#kubeconfig}`,
      `--csi-address=${this.csiAddress}`,
      ...flags,
    ];
  }

  get #faultsFile(): string {
    return join(this.#folder, 'faults.json');
  }

  get #kubeconfig(): string {
    return join(this.#folder, 'kubeconfig');
  }

  get #folder(): string {
    return join(this.#options.folder, this.name);
  }
}
