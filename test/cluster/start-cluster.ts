/** A real control plane on this computer: `await using cluster = await startCluster()`. */
import { execFile } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ApiAccess } from '../machine/api-access.ts';
import { ApiClient, type Listed } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import { freshLoopback } from '../machine/fresh-loopback.ts';
import { writeKubeconfig } from '../machine/kubeconfig.ts';
import type { Endpoint } from '../machine/proxy.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import type { AnyObject } from '../model/objects.ts';
import { Authority, writeSigningKeys } from './authority.ts';
import { type Binaries, ensureBinaries } from './binaries.ts';
import { Component } from './component.ts';
import {
  apiServerArguments,
  controllerManagerArguments,
  etcdArguments,
  etcdUrlOf,
  type Places,
  ports,
  schedulerArguments,
} from './flags.ts';
import { watchForStalls } from './stall-watch.ts';

export type ComponentName =
  | 'etcd'
  | 'kube-apiserver'
  | 'kube-controller-manager'
  | 'kube-scheduler';

/** Those who have a token of their own from the start, and their groups. */
const users = {
  admin: ['admin', 'system:masters'],
  // What external-attacher may do is not what is tested here.
  'csi-attacher': ['csi-attacher', 'system:masters'],
  'kube-controller-manager': ['system:kube-controller-manager', ''],
  'kube-scheduler': ['system:kube-scheduler', ''],
} as const;

/** A named user, or the kubelet of a node: `system:node:<name>` in `system:nodes`. */
export type ClusterUser = keyof typeof users | { readonly node: string };

export interface ClusterOptions {
  /** False: etcd and API server alone; pods need no service account there. */
  readonly controllers?: boolean;
  /** Where machines with a network of their own find the API server; default: on loopback only. */
  readonly api?: { readonly address: string; readonly port: number };
  /** Added to the flags of a component; of a repeated flag the last one counts. */
  readonly flags?: Partial<Readonly<Record<ComponentName, readonly string[]>>>;
}

export interface ServiceAccountPlace {
  readonly namespace: string;
  readonly name: string;
}

const run = promisify(execFile);

/**
 * Builds the executables if need be, starts etcd, API server, controller manager and scheduler with
 * the flags of a stock installation (RBAC and Node authorizer, NodeRestriction), and resolves when
 * all of them are ready.
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const binaries = await ensureBinaries();
  const things = new AsyncDisposableStack();
  try {
    const cluster = await Cluster.assemble(binaries, options, things);
    await cluster.start();
    return cluster;
  } catch (error: unknown) {
    await things.disposeAsync();
    throw error;
  }
}

/** Names the folder of a running cluster for tests that share it. */
export const clusterVariable = 'CSI_FAILOVER_TEST_CLUSTER';

/**
 * The running cluster that `test/cluster/with-cluster.ts` started for us, or one of our own: for
 * tests that leave the control plane alone.
 */
export async function sharedCluster(): Promise<Cluster> {
  const folder = process.env[clusterVariable];
  return folder === undefined ? await startCluster() : Cluster.join(await ensureBinaries(), folder);
}

/** What somebody needs to know of a cluster to use it. */
interface Joining {
  readonly runId: string;
  readonly host: string;
  readonly port: number;
  readonly etcdUrl: string;
  readonly tokens: Readonly<Record<string, string>>;
}

interface Parts {
  readonly binaries: Binaries;
  readonly folder: string;
  readonly runId: string;
  readonly host: string;
  readonly port: number;
  readonly etcdUrl: string;
  readonly authority: Authority;
  readonly tokens: ReadonlyMap<string, string>;
  readonly components: ReadonlyMap<string, Component>;
  readonly things: AsyncDisposableStack;
}

export class Cluster implements AsyncDisposable {
  readonly binaries: Binaries;
  /** Data, certificates, logs; removed at the end, and also after a crash. */
  readonly folder: string;
  readonly runId: string;
  readonly endpoint: Endpoint;
  readonly #parts: Parts;
  readonly #ca: string;
  #kubeconfigs = 0;

  private constructor(parts: Parts) {
    this.binaries = parts.binaries;
    this.folder = parts.folder;
    this.runId = parts.runId;
    this.endpoint = { host: parts.host, port: parts.port };
    this.#parts = parts;
    this.#ca = parts.authority.cert;
  }

  /** A cluster that another process started and ends. */
  static join(binaries: Binaries, folder: string): Cluster {
    const { runId, host, port, etcdUrl, tokens } = JSON.parse(
      readFileSync(join(folder, 'cluster.json'), 'utf8'),
    ) as Joining;
    return new Cluster({
      binaries,
      folder,
      runId,
      host,
      port,
      etcdUrl,
      authority: Authority.open(join(folder, 'pki')),
      tokens: new Map(Object.entries(tokens)),
      components: new Map(),
      things: new AsyncDisposableStack(),
    });
  }

  /** Everything in place, nothing started. */
  static async assemble(
    binaries: Binaries,
    { controllers = true, flags = {}, api }: ClusterOptions,
    things: AsyncDisposableStack,
  ): Promise<Cluster> {
    // A disk that stands still for seconds keeps etcd from writing, and the API server, which logs a
    // request before it answers, from answering anybody.
    const folder = things.use(new ScratchFolder('cluster-', { inMemory: true })).path;
    const runId = `cluster-${randomUUID().slice(0, 8)}`;
    const authority = await Authority.create(join(folder, 'pki'));
    // Several clusters of one computer do not take each other's ports, nor while one is down.
    const address = freshLoopback();
    const { address: host, port } = api ?? { address, port: ports['kube-apiserver'] };
    const serving = await authority.issue({
      commonName: 'kube-apiserver',
      // At 127.0.0.1 it is reached through a cable that can be cut.
      hosts: ['DNS:kubernetes.default.svc', 'IP:127.0.0.1', `IP:${address}`, `IP:${host}`],
    });
    const places: Places = {
      folder,
      caFile: authority.certFile,
      serving,
      signing: writeSigningKeys(folder),
      tokenFile: join(folder, 'tokens.csv'),
      address,
      api: { address: host, port },
    };
    const tokens = writeTokens(places.tokenFile);
    const server = `https://${host}:${port}`;
    for (const name of ['kube-controller-manager', 'kube-scheduler'] as const) {
      const access = { server, ca: authority.cert, token: tokens.get(name) };
      writeKubeconfig(join(folder, `${name}.kubeconfig`), access);
    }
    const components = new Map<string, Component>();
    const add = (name: ComponentName, args: readonly string[], readyUrl: string): void => {
      const component = new Component({
        name,
        command: binaries[name],
        args: [...args, ...(flags[name] ?? [])],
        // Four times Go's default: collecting garbage less often costs memory, and there is enough.
        env: { GOGC: '400' },
        logFile: join(folder, `${name}.log`),
        runId,
        readyUrl,
        ca: authority.cert,
      });
      components.set(name, things.use(component));
    };
    const etcdUrl = etcdUrlOf(places);
    add('etcd', etcdArguments(places), `${etcdUrl}/health`);
    add(
      'kube-apiserver',
      [
        ...apiServerArguments(places),
        // Service accounts are created by the controller manager.
        ...(controllers ? [] : ['--disable-admission-plugins=ServiceAccount']),
      ],
      `${server}/readyz`,
    );
    if (controllers) {
      add(
        'kube-controller-manager',
        controllerManagerArguments(places),
        `https://${address}:${ports['kube-controller-manager']}/healthz`,
      );
      add(
        'kube-scheduler',
        schedulerArguments(places),
        `https://${address}:${ports['kube-scheduler']}/healthz`,
      );
    }
    const joining: Joining = { runId, host, port, etcdUrl, tokens: Object.fromEntries(tokens) };
    writeFileSync(join(folder, 'cluster.json'), JSON.stringify(joining), { mode: 0o600 });
    return new Cluster({
      binaries,
      folder,
      runId,
      host,
      port,
      etcdUrl,
      authority,
      tokens,
      components,
      things,
    });
  }

  async start(): Promise<void> {
    const { components } = this.#parts;
    await this.component('etcd').start();
    await this.component('kube-apiserver').start();
    const controllers = ['kube-controller-manager', 'kube-scheduler'];
    await Promise.all(controllers.map(async (name) => components.get(name)?.start()));
    if (!components.has('kube-controller-manager')) return;
    using api = new ApiClient(await this.access('admin'));
    // Without its default service account a namespace takes no pods: the controllers are at work.
    const path = '/api/v1/namespaces/default/serviceaccounts/default';
    await eventually(async () => (await api.call('GET', path)).status === 200, {
      what: 'the controller manager to create the first service account',
    });
  }

  /** Tells of every silence of the API server, and of the etcd behind it, until it is disposed of. */
  async watchForStalls(tell: (sentence: string) => void): Promise<Disposable> {
    const { etcdUrl } = this.#parts;
    const access = await this.access('admin');
    return watchForStalls(
      [
        // Without a version asked for, it asks etcd.
        { name: 'kube-apiserver', access, path: '/api/v1/namespaces/default' },
        { name: 'etcd', access: { server: etcdUrl }, path: '/health' },
      ],
      tell,
    );
  }

  /** Everything before now is forgotten: what older versions ask for is answered 410. */
  async forgetHistory(): Promise<void> {
    using api = new ApiClient(await this.access('admin'));
    using etcd = new ApiClient({ server: this.#parts.etcdUrl });
    const { object } = await api.call<Listed<AnyObject>>('GET', '/api/v1/namespaces');
    const revision = object?.metadata.resourceVersion ?? '';
    const compacted = await etcd.call('POST', '/v3/kv/compaction', { revision, physical: true });
    if (compacted.status !== 200) throw new Error(`etcd: ${compacted.message}`);
    // Its watch caches would answer from memory.
    await this.component('kube-apiserver').restart();
  }

  /** To kill it and start it again. */
  component(name: ComponentName): Component {
    const component = this.#parts.components.get(name);
    if (component === undefined) throw new Error(`${name} belongs to whoever started the cluster`);
    return component;
  }

  /** How this user comes to the API; a node's certificate is issued when it is first asked for. */
  async access(user: ClusterUser): Promise<ApiAccess> {
    const server = `https://${this.endpoint.host}:${this.endpoint.port}`;
    if (typeof user === 'string') {
      return { server, ca: this.#ca, token: this.#parts.tokens.get(user) };
    }
    const { cert, key } = await this.#parts.authority.issue({
      commonName: `system:node:${user.node}`,
      organization: 'system:nodes',
    });
    return { server, ca: this.#ca, client: { cert, key } };
  }

  /** The path of a kubeconfig for this user, or for whoever has this token. */
  async kubeconfig(user: ClusterUser | { readonly token: string }): Promise<string> {
    const access =
      typeof user === 'object' && 'token' in user
        ? { ...(await this.access('admin')), token: user.token }
        : await this.access(user);
    this.#kubeconfigs += 1;
    const path = join(this.folder, `kubeconfig-${process.pid}-${this.#kubeconfigs}`);
    writeKubeconfig(path, access);
    return path;
  }

  /**
   * A token of the service account, as the kubelet gets one for a pod (TokenRequest): bound to that
   * pod it names the pod's node, and ends with the pod.
   */
  async tokenFor(
    account: ServiceAccountPlace,
    pod?: { readonly name: string; readonly uid: string },
  ): Promise<string> {
    const boundObjectRef = pod && { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid };
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: { audiences: [], expirationSeconds: 3600, ...(pod && { boundObjectRef }) },
    };
    const { namespace, name } = account;
    const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${name}/token`;
    using api = new ApiClient(await this.access('admin'));
    const { object, message } = await api.call<{ status: { token: string } }>('POST', path, body);
    if (object === undefined) throw new Error(`no token for ${namespace}/${name}: ${message}`);
    return object.status.token;
  }

  /** What kubectl printed; rejects with what it complained about. */
  async kubectl(args: readonly string[], user: ClusterUser = 'admin'): Promise<string> {
    const path = await this.kubeconfig(user);
    const { stdout } = await run(this.binaries.kubectl, [`--kubeconfig=${path}`, ...args], {
      // It keeps what it discovered below its home.
      env: { HOME: this.folder, PATH: process.env['PATH'] },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.things.disposeAsync();
  }
}

/** `token,user,uid,"groups"`: the API server reads it once, at its start. */
function writeTokens(path: string): ReadonlyMap<string, string> {
  const tokens = new Map<string, string>();
  const lines = Object.entries(users).map(([key, [name, group]]) => {
    const token = randomBytes(16).toString('hex');
    tokens.set(key, token);
    return `${token},${name},${key}${group === '' ? '' : `,"${group}"`}`;
  });
  writeFileSync(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  return tokens;
}
