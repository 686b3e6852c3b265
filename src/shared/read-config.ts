import { type Config, fences, modes } from './config.ts';
import { relationProblems } from './config-relations.ts';
import { logLevels } from './log.ts';
import {
  boolean,
  choice,
  count,
  driverName,
  duration,
  endpoint,
  file,
  namespaceName,
  objectName,
  path,
  type Reader,
  rate,
  selector,
  share,
  socket,
} from './option-value.ts';
import type { Flag } from './options.ts';
import { type Environment, type Given, type Problem, parseOptions } from './parse-options.ts';

/** Where options come from: all that a process knows about how it was started. */
export interface Surroundings {
  /** Without the program's own name. */
  readonly argv: readonly string[];
  readonly environment: Environment;
  /** The contents of a file; undefined if it cannot be read. */
  readonly readFile: (file: string) => string | undefined;
}

export type ConfigResult =
  | { readonly kind: 'Config'; readonly config: Config }
  | { readonly kind: 'Help' }
  | { readonly kind: 'Version' }
  /** All mistakes at once, those in single options and those in their relations. */
  | { readonly kind: 'Invalid'; readonly problems: readonly Problem[] };

export function readConfig(surroundings: Surroundings): ConfigResult {
  const parsed = parseOptions(surroundings.argv, surroundings.environment);
  if (parsed.help) return { kind: 'Help' };
  if (parsed.version) return { kind: 'Version' };

  const reading = new Reading(parsed.values);
  const config = assemble(reading, surroundings);
  const problems = [...parsed.problems, ...reading.problems];
  // A relation between options of which one could not be read would only repeat the complaint.
  const faulty = new Set(problems.map(({ subject }) => subject));
  problems.push(...relationProblems(config, (flag) => faulty.has(`--${flag}`)));
  return problems.length === 0
    ? { kind: 'Config', config: Object.freeze(config) }
    : { kind: 'Invalid', problems };
}

/** One line for each problem, to be printed after the program's name. */
export function describeProblem({ subject, expected, given }: Problem): string {
  return `${subject}: expected ${expected}, got ${given}`;
}

/** csi-lib-utils leaderelection inClusterNamespace looks here, too. */
const namespaceFile = '/var/run/secrets/kubernetes.io/serviceaccount/namespace';

function assemble(read: Reading, { environment, readFile }: Surroundings): Config {
  const ownNamespace = environment.POD_NAMESPACE || readFile(namespaceFile)?.trim() || 'default';
  const namespace = read.one('namespace', namespaceName, ownNamespace);
  return {
    mode: read.required('mode', choice(modes), 'controller'),
    csiAddress: read.one('csi-address', socket, ''),
    driverName: read.one('driver-name', driverName, ''),
    nodeName: read.one('node-name', objectName, environment.NODE_NAME ?? ''),
    namespace,
    kubeletDir: read.one('kubelet-dir', path, ''),
    mountinfoFile: read.one('mountinfo-file', path, ''),
    cgroupDir: read.one('cgroup-dir', path, ''),
    bootIdFile: read.one('boot-id-file', path, ''),
    kubeletHealthzAddress: read.one('kubelet-healthz-address', endpoint, ''),
    heartbeatIntervalMs: read.one('heartbeat-interval', duration, 0),
    lostAfterMs: read.one('lost-after', duration, 0),
    kubeletLostAfterMs: read.one('kubelet-lost-after', duration, 0),
    unhealthyAfterMs: read.one('unhealthy-after', duration, 0),
    healthIntervalMs: read.one('health-interval', duration, 0),
    localProbes: read.one('local-probes', boolean, true),
    listVolumesIntervalMs: read.one('list-volumes-interval', duration, 0),
    podSelectors: read.all('pod-selector', selector, ';'),
    namespaces: read.all('namespaces', namespaceName, ','),
    fence: read.one('fence', choice(fences), 'auto'),
    unsafeMoveWithoutFence: read.one('unsafe-move-without-fence', boolean, false),
    maxLostNodes: read.one('max-lost-nodes', share, { count: 1 }),
    cooldownMs: read.one('cooldown', duration, 0),
    gracefulTimeoutMs: read.one('graceful-timeout', duration, 0),
    dryRun: read.one('dry-run', boolean, false),
    nodeCondition: read.one('node-condition', boolean, false),
    timeoutMs: read.one('timeout', duration, 0),
    kubeconfig: read.one('kubeconfig', file, ''),
    kubeApiQps: read.one('kube-api-qps', rate, 1),
    kubeApiBurst: read.one('kube-api-burst', count, 1),
    leaderElection: read.one('leader-election', boolean, true),
    leaderElectionNamespace: read.one('leader-election-namespace', namespaceName, namespace),
    leaderElectionLeaseDurationMs: read.one('leader-election-lease-duration', duration, 0),
    leaderElectionRenewDeadlineMs: read.one('leader-election-renew-deadline', duration, 0),
    leaderElectionRetryPeriodMs: read.one('leader-election-retry-period', duration, 0),
    httpEndpoint: read.one('http-endpoint', endpoint, ''),
    metricsPath: read.one('metrics-path', path, ''),
    logLevel: read.one('log-level', choice(logLevels), 'info'),
  };
}

/** Reads texts into values and collects what could not be read. */
class Reading {
  readonly problems: Problem[] = [];
  readonly #values: ReadonlyMap<string, readonly Given[]>;

  constructor(values: ReadonlyMap<string, readonly Given[]>) {
    this.#values = values;
  }

  /** The last text given; `otherwise` if there is none, or none that can be read. */
  one<T>(flag: Flag, reader: Reader<T>, otherwise: T): T {
    const given = this.#values.get(flag)?.at(-1);
    return given === undefined ? otherwise : (this.#read(flag, reader, given) ?? otherwise);
  }

  required<T>(flag: Flag, reader: Reader<T>, otherwise: T): T {
    if (!this.#values.has(flag)) {
      this.problems.push({ subject: `--${flag}`, expected: reader.expected, given: 'nothing' });
    }
    return this.one(flag, reader, otherwise);
  }

  all<T>(flag: Flag, reader: Reader<T>, separator: string): readonly T[] {
    const texts = (this.#values.get(flag) ?? []).flatMap(({ text, origin }) =>
      text.split(separator).map((part) => ({ text: part, origin })),
    );
    const read = texts.map((given) => this.#read(flag, reader, given));
    return read.filter((value) => value !== undefined);
  }

  #read<T>(flag: Flag, reader: Reader<T>, { text, origin }: Given): T | undefined {
    const value = reader.read(text);
    if (value === undefined) {
      const source = origin === `--${flag}` ? '' : ` (from ${origin})`;
      this.problems.push({
        subject: `--${flag}`,
        expected: reader.expected,
        given: `${JSON.stringify(text)}${source}`,
      });
    }
    return value;
  }
}
