import { createHash } from 'node:crypto';
import type { Config } from '../shared/config.ts';
import { CsiConnection } from '../shared/csi/connection.ts';
import { awaitDriverName } from '../shared/csi/driver-name.ts';
import { probe } from '../shared/csi/identity.ts';
import { readNodeId, unpublishVolume, unstageVolume } from '../shared/csi/node.ts';
import { CsiNodeHealth } from '../shared/csi/node-health.ts';
import { type Health, initialHealth, serveConfigured } from '../shared/http.ts';
import { loadApiServer } from '../shared/kubernetes/kube-config.ts';
import { Transport } from '../shared/kubernetes/transport.ts';
import { Reconciler } from '../shared/reconciler.ts';
import { type Shell, untilAborted } from '../shared/shell.ts';
import { createAct, createHeartbeat, type UnmountPort } from './act.ts';
import type { Action } from './actions.ts';
import type { Fact } from './facts.ts';
import { HealthSource } from './health-source.ts';
import { LookPool } from './look-pool.ts';
import { helperStarter } from './look-process.ts';
import { readMachine, readNodeVolumes, readVolumesAndMounts } from './machine.ts';
import { nodeMode } from './mode.ts';
import { OwnLookSource } from './own-look-source.ts';
import { type DriverPort, Sources } from './sources.ts';
import { createState, type NodeState } from './state.ts';
import { unhealthyVolumes } from './volume-views.ts';

/** How long the last renewal may take at most, tries and all. */
const longestFarewellMs = 4000;

/** What is still running then is abandoned; together both stay below the 10 s of the process. */
const drainMs = 3000;

/**
 * Runs the agent of one node until the signal aborts and the last renewal, which says `stopping`,
 * was written. Rejects if it cannot begin (no API server configured, port taken) or if the core
 * broke: then only a new process can be trusted. `command` starts this program.
 */
export async function runNode(
  config: Config,
  shell: Shell,
  command: readonly string[],
): Promise<void> {
  const { clock, random } = shell;
  const server = loadApiServer(config.kubeconfig);
  // Known from the start unless the driver has yet to say it.
  let driverName = config.driverName;
  const connection = new CsiConnection({
    address: config.csiAddress,
    clock,
    onCall: (call) => shell.metrics.csiOperation({ driver: driverName, ...call }),
  });
  // No client-side limit: a heartbeat must not wait, and it is the only thing sent.
  const transport = new Transport({ server, clock, random, limit: undefined });
  const health = initialHealth();
  const http = await serveConfigured(config, shell, health);
  try {
    driverName ||= await awaitDriverName(connection, shell, config.timeoutMs);
    const parts = { config, shell, command, driverName, connection, transport, health };
    if (driverName !== '') await runAgent(parts);
  } finally {
    connection.close();
    transport.close();
    await http?.close();
  }
}

interface Parts {
  readonly config: Config;
  readonly shell: Shell;
  readonly command: readonly string[];
  readonly driverName: string;
  readonly connection: CsiConnection;
  readonly transport: Transport;
  readonly health: Health;
}

async function runAgent(parts: Parts): Promise<void> {
  const { config, shell } = parts;
  const { clock, signal } = shell;
  const crash = Promise.withResolvers<never>();
  const farewell = Promise.withResolvers<void>();
  const over = new AbortController();
  const agent = assemble(parts, { fatal: crash.reject, onLastRenewal: farewell.resolve });
  // Ready from the first acknowledged heartbeat on: from then on the controller can see us.
  parts.health.isReady = () => agent.state.heartbeat.acknowledged !== undefined;
  try {
    agent.reconciler.start();
    for (const source of agent.sources) source.start();
    await Promise.race([untilAborted(signal), crash.promise]);
    agent.reconciler.post({ kind: 'Stopping' });
    const farewellMs = Math.min(longestFarewellMs, config.lostAfterMs / 2);
    await Promise.race([farewell.promise, clock.sleep(farewellMs, over.signal), crash.promise]);
  } finally {
    over.abort();
    for (const source of agent.sources) source.stop();
    await agent.reconciler.stop();
  }
}

interface Ends {
  readonly fatal: (error: unknown) => void;
  readonly onLastRenewal: () => void;
}

interface Agent {
  readonly state: NodeState;
  readonly reconciler: Reconciler<NodeState, Fact, Action>;
  readonly sources: readonly { start(): void; stop(): void }[];
}

function assemble(parts: Parts, ends: Ends): Agent {
  const { config, shell, driverName, connection, transport } = parts;
  const { clock, log, metrics } = shell;
  const { heartbeatIntervalMs, mountinfoFile, kubeletDir, bootIdFile, localProbes } = config;
  const { cgroupDir, timeoutMs } = config;
  const paths = { driverName, sha256Hex };
  const state = createState({ ...paths, heartbeatIntervalMs, localProbes }, clock.now());
  const post = (fact: Fact): void => reconciler.post(fact);
  const act = createAct({
    clock,
    log,
    heartbeat: createHeartbeat({ config, driverName, clock, transport }),
    inspect: (signal) => readMachine({ mountinfoFile, kubeletDir, driverName, cgroupDir }, signal),
    driver: unmountPort(connection, timeoutMs),
    paths,
    inspectDeadlineMs: Math.max(1000, 2 * heartbeatIntervalMs),
    post,
    onLastRenewal: ends.onLastRenewal,
  });
  const reconciler = new Reconciler({
    mode: nodeMode,
    state,
    clock,
    log,
    act,
    announce: () => {},
    fatal: ends.fatal,
    drainMs,
    onLag: (lagMs) => metrics.setEventLoopLag(lagMs / 1000),
  });
  const { views } = state;
  metrics.onScrape(() =>
    metrics.setNodeHealth({ volumes: unhealthyVolumes(views), storage: views.storage }),
  );
  const sources = new Sources({
    shell,
    driver: driverPort(connection),
    kubeletHealthzAddress: config.kubeletHealthzAddress,
    bootIdFile,
    heartbeatIntervalMs,
    driverDeadlineMs: timeoutMs,
    post,
  });
  const own = localProbes ? [ownLooks(parts, post)] : [];
  return { state, reconciler, sources: [sources, healthSource(parts, post), ...own] };
}

/**
 * A look is cheap, and the driver is not asked for it. Half a round passes before a path that hangs
 * is looked at, on average, and it is to be left within --unhealthy-after + 20 s.
 */
const looksInOneHealthInterval = 3;

/** What is asked for takes microseconds; two looks in a row must take longer to count. */
const lookDeadlineMs = 3000;

function ownLooks(
  { config, shell, driverName, command }: Parts,
  post: (fact: Fact) => void,
): { start(): void; stop(): void } {
  const { kubeletDir, mountinfoFile } = config;
  const start = helperStarter(command);
  const pool = new LookPool({ clock: shell.clock, start, deadlineMs: lookDeadlineMs });
  shell.metrics.onScrape(() => shell.metrics.setStuckLooks(pool.stuck));
  const source = new OwnLookSource({
    shell,
    readMachine: (signal) =>
      readVolumesAndMounts({ kubeletDir, mountinfoFile, driverName }, signal),
    pool,
    everyMs: config.healthIntervalMs / looksInOneHealthInterval,
    sysDir: '/sys',
    post,
  });
  return {
    start: () => source.start(),
    stop: () => {
      source.stop();
      pool.stop();
    },
  };
}

function healthSource(
  { config, shell, driverName, connection }: Parts,
  post: (fact: Fact) => void,
): HealthSource {
  const { kubeletDir, healthIntervalMs, timeoutMs } = config;
  // What takes longer than a round would only be asked about twice.
  const deadlineMs = Math.min(timeoutMs, healthIntervalMs);
  return new HealthSource({
    shell,
    driver: new CsiNodeHealth({ connection, deadlineMs }),
    readVolumes: (signal) => readNodeVolumes({ kubeletDir, driverName }, signal),
    everyMs: healthIntervalMs,
    deadlineMs,
    post,
  });
}

function driverPort(connection: CsiConnection): DriverPort {
  return {
    get connections() {
      return connection.connections;
    },
    probe: (deadlineMs) => probe(connection, deadlineMs),
    nodeId: async (deadlineMs) => {
      const { outcome, nodeId } = await readNodeId(connection, deadlineMs);
      return outcome.kind === 'Done' ? nodeId : undefined;
    },
  };
}

function unmountPort(connection: CsiConnection, deadlineMs: number): UnmountPort {
  return {
    unmount: ({ step, ...volume }) =>
      step === 'unpublish'
        ? unpublishVolume(connection, volume, deadlineMs)
        : unstageVolume(connection, volume, deadlineMs),
  };
}

function sha256Hex(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
