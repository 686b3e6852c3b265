import type { Config } from '../shared/config.ts';
import { CsiConnection } from '../shared/csi/connection.ts';
import { CsiController, performCsi } from '../shared/csi/controller.ts';
import { awaitDriverName } from '../shared/csi/driver-name.ts';
import { Announcer, type AnnouncerOptions } from '../shared/announcer.ts';
import type { Effect, Reply } from '../shared/effect.ts';
import { type Health, initialHealth, serveConfigured } from '../shared/http.ts';
import { performKubernetes } from '../shared/kubernetes/client.ts';
import { type ApiServer, loadApiServer } from '../shared/kubernetes/kube-config.ts';
import { type LabelSelector, parseLabelSelector } from '../shared/label-selector.ts';
import { LeaderLease } from '../shared/kubernetes/leader-lease.ts';
import { plainTime } from '../shared/kubernetes/micro-time.ts';
import { eventLimit, Recorder } from '../shared/kubernetes/recorder.ts';
import { SharedReads } from '../shared/kubernetes/shared-reads.ts';
import { Transport } from '../shared/kubernetes/transport.ts';
import { Reconciler } from '../shared/reconciler.ts';
import { type Shell, untilAborted } from '../shared/shell.ts';
import { act } from './act.ts';
import type { Action } from './actions.ts';
import { watchDriver } from './driver-source.ts';
import type { Fact } from './facts.ts';
import { livenessBoundMs } from './freshness.ts';
import { fencePolicy } from './fence-policy.ts';
import { HealthSource } from './health-source.ts';
import { measured } from './measure.ts';
import { controllerMode } from './mode.ts';
import { perform, type World } from './perform.ts';
import type { Policy } from './policy.ts';
import { boundHandles, troubledHandles } from './polled-volumes.ts';
import { watchProtection } from './protection-source.ts';
import { withRecovery } from './recovery.ts';
import { createReflectors } from './sources.ts';
import { type State, initialState } from './state.ts';

const drainMs = 5000;

/**
 * Runs controller mode until the signal aborts and everything is drained. Rejects if it cannot
 * begin (no API server configured, port taken) or if the core broke. All wiring stands here.
 */
export async function runController(config: Config, shell: Shell): Promise<void> {
  const server = loadApiServer(config.kubeconfig);
  let driver = config.driverName;
  const connection = new CsiConnection({
    address: config.csiAddress,
    clock: shell.clock,
    onCall: ({ method, code, seconds }) =>
      shell.metrics.csiOperation({ driver, method, code, seconds }),
  });
  const health = initialHealth();
  const http = await serveConfigured(config, shell, health);
  try {
    driver ||= await awaitDriverName(connection, shell, config.timeoutMs);
    if (driver !== '') await runFor({ config, shell, server, connection, driver, health });
  } finally {
    connection.close();
    await http?.close();
  }
}

interface Parts {
  readonly config: Config;
  readonly shell: Shell;
  readonly server: ApiServer;
  readonly connection: CsiConnection;
  readonly driver: string;
  readonly health: Health;
}

async function runFor(parts: Parts): Promise<void> {
  const { config, shell, driver, connection } = parts;
  const { clock, log, metrics, signal } = shell;
  const transports = createTransports(parts);
  const calls = new SharedReads(transports.calls);
  const policy = policyOf(config, driver);
  log.info({ driver, fence: policy.fence }, 'running for this driver');
  const state = initialState(policy, clock.now());
  const crash = Promise.withResolvers<never>();
  const csi = new CsiController({ connection, clock, deadlineMs: config.timeoutMs });
  const post = (fact: Fact): void => reconciler.post(fact);
  const leader = createLeader(parts, transports.leases, post);
  const recorder = new Recorder({
    transport: transports.events,
    mode: 'controller',
    instance: shell.instance,
    clock,
  });
  const announcer = new Announcer({ record: (notice) => recorder.record(notice), clock, log });
  const worldOf = ({ rank }: Action): World => ({
    mayWrite: () => !config.leaderElection || leader.valid(),
    perform: (effect: Effect): Promise<Reply> =>
      effect.target === 'csi'
        ? performCsi(csi, effect)
        : performKubernetes(calls, effect, config.timeoutMs, rank),
  });
  const reconciler = new Reconciler<State, Fact, Action>({
    mode: withRecovery(measured(controllerMode, shell)),
    state,
    clock,
    log,
    act: (action) =>
      perform(act(action, { driver, wallTime: plainTime(clock.wallTime()) }), worldOf(action)),
    announce: (notices) => announcer.announce(notices),
    fatal: crash.reject,
    drainMs,
    onLag: (lagMs) => metrics.setEventLoopLag(lagMs / 1000),
  });
  const kubeletSilenceMs = (): number => livenessBoundMs(state, 'kubeletLeases');
  const options = {
    transport: transports.calls,
    driver,
    namespace: config.namespace,
    selectors: parseSelectors(config.podSelectors),
    post,
    shell,
    kubeletSilenceMs,
  };
  const reflectors = createReflectors(options);
  parts.health.isReady = () => Object.values(state.sources).every((source) => source.synced);
  parts.health.isLeadershipHealthy = () =>
    !state.leading || !config.leaderElection || leader.valid();
  const lookouts = createLookouts(parts, { csi, post, state, recorder });
  try {
    reconciler.start();
    lookouts.start();
    for (const reflector of reflectors) reflector.start();
    if (config.leaderElection) leader.start();
    else post({ kind: 'Leadership', leading: true, renewal: '' });
    await Promise.race([untilAborted(signal), crash.promise]);
  } finally {
    lookouts.stop();
    for (const reflector of reflectors) reflector.stop();
    await reconciler.stop();
    announcer.stop();
    // Last: while an action of ours may still run, nobody else should act.
    if (config.leaderElection) await leader.stop();
    for (const transport of Object.values(transports)) transport.close();
  }
}

/** Leases and Events have clients of their own: neither may wait behind the other, or behind us. */
function createTransports({ server, config, shell }: Parts): {
  readonly calls: Transport;
  readonly leases: Transport;
  readonly events: Transport;
} {
  const { clock, random } = shell;
  const limit = { perSecond: config.kubeApiQps, burst: config.kubeApiBurst };
  return {
    calls: new Transport({ server, clock, random, limit }),
    leases: new Transport({ server, clock, random, limit: undefined }),
    events: new Transport({ server, clock, random, limit: eventLimit }),
  };
}

/**
 * What looks around beside the core: what the driver can do, how its volumes are, and which pods
 * would not be moved.
 */
function createLookouts(
  { config, shell }: Parts,
  {
    csi,
    post,
    state,
    recorder,
  }: {
    readonly csi: CsiController;
    readonly post: (fact: Fact) => void;
    readonly state: State;
    readonly recorder: Recorder;
  },
): { readonly start: () => void; readonly stop: () => void } {
  const { clock, log } = shell;
  const health = new HealthSource({
    csi,
    shell,
    post,
    intervalMs: config.listVolumesIntervalMs,
    isLeading: () => state.leading,
    bound: () => boundHandles(state),
    troubled: troubledHandles(state, () => clock.now()),
  });
  const record: AnnouncerOptions['record'] = (notice) => recorder.record(notice);
  const announcer = new Announcer({ record, clock, log });
  let stops = [(): void => announcer.stop()];
  return {
    start: () => {
      stops.push(watchDriver({ csi, clock, log, post }));
      stops.push(watchProtection({ state, shell, announcer }));
      health.start();
    },
    stop: () => {
      for (const stop of stops) stop();
      health.stop();
    },
  };
}

function createLeader(
  { config, shell, driver }: Parts,
  transport: Transport,
  post: (fact: Fact) => void,
): LeaderLease {
  return new LeaderLease({
    perform: (effect, deadlineMs) => performKubernetes(transport, effect, deadlineMs),
    // The Lease must come back through the watch of our own namespace to prove that watch.
    namespace: config.namespace,
    driver,
    identity: shell.instance,
    leaseDurationMs: config.leaderElectionLeaseDurationMs,
    renewDeadlineMs: config.leaderElectionRenewDeadlineMs,
    retryPeriodMs: config.leaderElectionRetryPeriodMs,
    clock: shell.clock,
    random: shell.random,
    log: shell.log,
    onChange: ({ leading, resourceVersion }) =>
      post({ kind: 'Leadership', leading, renewal: leading ? resourceVersion : '' }),
  });
}

function policyOf(config: Config, driver: string): Policy {
  return {
    driver,
    namespace: config.namespace,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    lostAfterMs: config.lostAfterMs,
    kubeletLostAfterMs: config.kubeletLostAfterMs,
    unhealthyAfterMs: config.unhealthyAfterMs,
    gracefulTimeoutMs: config.gracefulTimeoutMs,
    cooldownMs: config.cooldownMs,
    timeoutMs: config.timeoutMs,
    maxLostNodes: config.maxLostNodes,
    dryRun: config.dryRun,
    nodeCondition: config.nodeCondition,
    namespaces: config.namespaces,
    fence: fencePolicy(config.fence, driver, config.unsafeMoveWithoutFence),
    leaderElection: config.leaderElection,
  };
}

/** The configuration has been checked, so a selector that cannot be read is a bug. */
function parseSelectors(texts: readonly string[]): readonly LabelSelector[] {
  return texts.map((text) => {
    const parsed = parseLabelSelector(text);
    if (parsed.kind !== 'Selector') throw new Error(`--pod-selector ${parsed.message}`);
    return parsed.selector;
  });
}
