import { join } from 'node:path';
import { runController } from '../../src/controller-mode/controller.ts';
import type { Clock } from '../../src/shared/clock.ts';
import { createLog } from '../../src/shared/log.ts';
import { createMetrics } from '../../src/shared/metrics.ts';
import { describeProblem, readConfig } from '../../src/shared/read-config.ts';
import { accessThrough } from '../machine/api-access.ts';
import { writeKubeconfig } from '../machine/kubeconfig.ts';
import { type Endpoint, TcpProxy } from '../machine/proxy.ts';

export interface KillableControllerOptions {
  /** Its bearer token, so that the server's journal knows it by this name. */
  readonly name: string;
  readonly folder: string;
  readonly api: Endpoint;
  readonly clock: Clock;
  /** Beside --mode, --kubeconfig and --log-level. */
  readonly flags: readonly string[];
}

/**
 * Controller mode in this process, whole, by a clock of the test's. What makes a process dead to
 * the rest of the world is that nothing leaves it any more: that is how it is killed here, at once
 * and for good, in the middle of whatever it does.
 */
export class KillableController {
  readonly name: string;
  readonly logLines: string[] = [];
  readonly #cable: TcpProxy;
  readonly #stop = new AbortController();
  #ended = false;
  #crash: unknown;

  static async start(options: KillableControllerOptions): Promise<KillableController> {
    return new KillableController(options, await TcpProxy.start(options.api));
  }

  private constructor(options: KillableControllerOptions, cable: TcpProxy) {
    const { name, folder, api, clock, flags } = options;
    this.name = name;
    this.#cable = cable;
    const kubeconfig = join(folder, `${name}.kubeconfig`);
    const server = `http://${api.host}:${api.port}`;
    writeKubeconfig(kubeconfig, accessThrough({ server, token: name }, cable.endpoint));
    const config = configOf([...flags, '--mode=controller', `--kubeconfig=${kubeconfig}`]);
    const shell = {
      instance: name,
      clock,
      random: () => 0.5,
      log: createLog({
        level: 'info',
        fields: { name },
        destination: { write: (line) => this.logLines.push(line) },
      }),
      metrics: createMetrics({ version: 'test', mode: 'controller', startedAt: clock.wallTime() }),
      signal: this.#stop.signal,
    };
    void runController(config, shell)
      .catch((error: unknown) => {
        this.#crash = error;
      })
      .finally(() => {
        this.#ended = true;
      });
  }

  /** It has come to its end; throws what it died of, if not of us. */
  get ended(): boolean {
    if (this.#crash === undefined) return this.#ended;
    throw new Error(`${this.name} crashed`, { cause: this.#crash });
  }

  /** SIGKILL: from this moment on not a byte of it reaches the API, or comes back. */
  kill(): void {
    this.#cable.set('cut');
    this.stop();
  }

  /** SIGTERM: it ends when time has passed. */
  stop(): void {
    this.#stop.abort();
  }

  async close(): Promise<void> {
    await this.#cable.close();
  }
}

function configOf(argv: readonly string[]): Parameters<typeof runController>[0] {
  const result = readConfig({ argv, environment: {}, readFile: () => undefined });
  if (result.kind === 'Config') return result.config;
  const problems = result.kind === 'Invalid' ? result.problems.map(describeProblem) : [];
  throw new Error(`not a configuration: ${problems.join('; ')}`);
}
