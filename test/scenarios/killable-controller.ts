import { join } from 'node:path';
import { runController } from '../../src/controller-mode/controller.ts';
import { createLog } from '../../src/shared/log.ts';
import { createMetrics } from '../../src/shared/metrics.ts';
import { describeProblem, readConfig } from '../../src/shared/read-config.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import { accessThrough } from '../machine/api-access.ts';
import { writeKubeconfig } from '../machine/kubeconfig.ts';
import { type Endpoint, TcpProxy } from '../machine/proxy.ts';

export interface KillableControllerOptions {
  /** Its bearer token, so that the server's journal knows it by this name. */
  readonly name: string;
  readonly folder: string;
  readonly api: Endpoint;
  /** Beside --mode, --kubeconfig and --log-level. */
  readonly flags: readonly string[];
}

/**
 * Controller mode in this process, whole and with the real clock. What makes a process dead to the
 * rest of the world is that nothing leaves it any more: that is how it is killed here, at once and
 * for good, in the middle of whatever it does.
 */
export class KillableController implements AsyncDisposable {
  readonly name: string;
  readonly logLines: string[] = [];
  readonly #cable: TcpProxy;
  readonly #stop = new AbortController();
  readonly #ended: Promise<unknown>;

  static async start(options: KillableControllerOptions): Promise<KillableController> {
    return new KillableController(options, await TcpProxy.start(options.api));
  }

  private constructor(options: KillableControllerOptions, cable: TcpProxy) {
    const { name, folder, api, flags } = options;
    this.name = name;
    this.#cable = cable;
    const kubeconfig = join(folder, `${name}.kubeconfig`);
    const server = `http://${api.host}:${api.port}`;
    writeKubeconfig(kubeconfig, accessThrough({ server, token: name }, cable.endpoint));
    const config = configOf([...flags, '--mode=controller', `--kubeconfig=${kubeconfig}`]);
    const shell = {
      instance: name,
      clock: systemClock,
      random: Math.random,
      log: createLog({
        level: 'info',
        fields: { name },
        destination: { write: (line) => this.logLines.push(line) },
      }),
      metrics: createMetrics({ version: 'test', mode: 'controller', startedAt: Date.now() }),
      signal: this.#stop.signal,
    };
    this.#ended = runController(config, shell).catch((error: unknown) => error);
  }

  /** SIGKILL: from this moment on not a byte of it reaches the API, or comes back. */
  kill(): void {
    this.#cable.set('cut');
    this.#stop.abort();
  }

  /** Ends it, killed or alive; throws what it died of if it was not asked to. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    const crash = await this.#ended;
    await this.#cable.close();
    if (crash !== undefined) throw new Error(`${this.name} crashed`, { cause: crash });
  }
}

function configOf(argv: readonly string[]): Parameters<typeof runController>[0] {
  const result = readConfig({ argv, environment: {}, readFile: () => undefined });
  if (result.kind === 'Config') return result.config;
  const problems = result.kind === 'Invalid' ? result.problems.map(describeProblem) : [];
  throw new Error(`not a configuration: ${problems.join('; ')}`);
}
