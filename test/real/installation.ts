/** The worked example, installed as a user does it, and what has to be said of the bed's array. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  driverLabel,
  heartbeatLease,
  leaderLease,
  switchConfigMap,
} from '../../src/shared/names.ts';
import { defaultControllerCapabilities } from '../driver/controller-service.ts';
import { type DialectName, dialects } from '../driver/dialect.ts';
import { defaultNodeCapabilities } from '../driver/node-service.ts';
import { must } from '../machine/create-workload.ts';
import { eventually } from '../machine/eventually.ts';
import type { Pod } from '../model/objects.ts';
import { arrayAddresses, type RealBed } from './real-bed.ts';
import { driverFaults } from './real-machine.ts';

/** As the example names them. */
export const driverName = 'test.csi-failover.io';
export const driverNamespace = 'csi-test-driver';
export const controllerName = 'csi-test-driver-controller';
export const agentsName = 'csi-test-driver-node';
/** The DaemonSet of agents that stand alone. */
export const standaloneName = 'csi-failover-node-agent';

const examples = new URL('../../manifests/examples/', import.meta.url);
const containers = '/spec/template/spec/containers';

/**
 * `sidecar`: csi-failover beside the driver, in its Deployment and its DaemonSet; `standalone`: the
 * agents in a DaemonSet of their own; `none`: the driver alone.
 */
export type Variant = 'sidecar' | 'standalone' | 'none';

export interface InstallationOptions {
  /** Default: csi-failover beside the driver. */
  readonly variant?: Variant;
  /** How the driver speaks of the health of volumes; default `health`, the newer one. */
  readonly dialect?: DialectName;
}

/** An installation of an example on a bed. */
export class Installation {
  readonly #bed: RealBed;
  readonly #folder: string;
  #variant: Variant;
  #shipped: { readonly spec: { readonly template: unknown } } | undefined;

  private constructor(bed: RealBed, folder: string, variant: Variant) {
    this.#bed = bed;
    this.#folder = folder;
    this.#variant = variant;
  }

  /** `kubectl apply -k`; resolves when a leader leads and has a heartbeat of every machine. */
  static async apply(bed: RealBed, options: InstallationOptions): Promise<Installation> {
    const { variant = 'sidecar', dialect = 'health' } = options;
    const folder = join(realpathSync(bed.folder), 'installation');
    mkdirSync(folder, { recursive: true });
    const installation = new Installation(bed, folder, variant);
    installation.#write(dialect);
    await bed.cluster.kubectl(['apply', '-k', folder]);
    await installation.ready();
    return installation;
  }

  /** As from now on the driver speaks of the health of volumes. */
  async speak(dialect: DialectName): Promise<void> {
    this.#write(dialect);
    await this.again();
  }

  /** Takes back what was changed by hand. */
  async again(): Promise<void> {
    await this.#bed.cluster.kubectl(['apply', '-k', this.#folder]);
    await this.rolledOut();
  }

  /**
   * Changes the pods of the agents by hand, for example to take something from them: from what they
   * are shipped as, whatever was changed before.
   */
  async changeAgents(...operations: readonly object[]): Promise<void> {
    const name = `daemonset/${this.#variant === 'standalone' ? standaloneName : agentsName}`;
    this.#shipped ??= JSON.parse(await this.#kubectl('get', name, '--output=json'));
    await this.#patch(name, replace('/spec/template', this.#shipped?.spec.template), ...operations);
    await this.rolledOut();
  }

  /** Resolves when every pod is of the newest template, and ready. */
  async rolledOut(): Promise<void> {
    const names = [agentsName, ...(this.#variant === 'standalone' ? [standaloneName] : [])];
    for (const object of [
      `deployment/${controllerName}`,
      ...names.map((name) => `daemonset/${name}`),
    ]) {
      await this.#kubectl('rollout', 'status', object, '--timeout=180s');
    }
    await this.ready();
  }

  /** Takes csi-failover from the driver, as the README says it of agents that stand alone. */
  async removeOurs(): Promise<void> {
    await this.#kubectl('delete', `daemonset/${standaloneName}`, '--timeout=90s');
    await this.#patch(`deployment/${controllerName}`, { op: 'remove', path: `${containers}/2` });
    this.#variant = 'none';
    await this.rolledOut();
    await this.#kubectl('delete', 'lease', `--selector=${driverLabel}=${driverName}`);
  }

  /** Everything is rolled out, registered and watched. */
  async ready(): Promise<void> {
    await eventually(() => this.#isReady(), {
      what: 'driver and csi-failover to be up on all machines',
      withinMs: 120_000,
      everyMs: 200,
    });
  }

  /** Ends the driver's process on a machine, as a mistake in it does; resolves when it runs anew. */
  async crashDriver(machine: string): Promise<void> {
    const restarts = (): number =>
      this.#driverOn(machine)?.status?.containerStatuses?.reduce(
        (sum, { restartCount = 0 }) => sum + restartCount,
        0,
      ) ?? 0;
    const before = restarts();
    await this.#bed.machine(machine).signal('driver', 'KILL');
    await eventually(() => restarts() > before, {
      what: 'the driver to restart',
      withinMs: 60_000,
    });
  }

  /** Deletes the driver's pod on a machine, as a roll-out does; resolves when another is ready. */
  async renewDriver(machine: string): Promise<void> {
    const { name, uid } = this.#driverOn(machine)?.metadata ?? { name: '', uid: '' };
    await this.#bed.cluster.kubectl(['delete', 'pod', name, `--namespace=${driverNamespace}`]);
    const renewed = (): boolean => {
      const pod = this.#driverOn(machine);
      return pod !== undefined && pod.metadata.uid !== uid && isReady(pod);
    };
    await eventually(renewed, { what: `another driver on ${machine}`, withinMs: 60_000 });
  }

  /** The node of the replica that leads; undefined: none does. */
  leaderNode(): string | undefined {
    const holder = this.#leader();
    const pods = this.#bed.watch.all('pods');
    return pods.find(({ metadata }) => holder.includes(metadata.name))?.spec.nodeName;
  }

  /** Nodes of all replicas. */
  replicaNodes(): readonly (string | undefined)[] {
    const pods = this.#bed.watch.all('pods');
    const replicas = pods.filter(({ metadata }) => metadata.name.startsWith(controllerName));
    return replicas.map(({ spec }) => spec.nodeName);
  }

  /** Ends the process that leads, as a mistake in it does; resolves when another one leads. */
  async killLeader(): Promise<void> {
    const [before, node] = [this.#leader(), this.leaderNode() ?? ''];
    await this.#bed.machine(node).signal('controller', 'KILL');
    await eventually(() => !['', before].includes(this.#leader()), {
      what: 'another leader',
      withinMs: 60_000,
    });
  }

  /** What a person says to our replicas. */
  async say(data: Readonly<Record<string, string>>): Promise<void> {
    const { api } = this.#bed;
    const place = { namespace: driverNamespace, name: switchConfigMap };
    const isThere = (await api.get('configmaps', place)).status === 200;
    must(
      isThere
        ? await api.patch('configmaps', place, { data })
        : await api.create('configmaps', { metadata: place, data }),
    );
  }

  /** Takes everything away, the driver included. */
  async remove(): Promise<void> {
    const forgiving = ['--ignore-not-found', '--timeout=90s'];
    await this.#bed.cluster.kubectl(['delete', '-k', this.#folder, ...forgiving]);
  }

  /** The rights that stand in the cluster for us. */
  async rights(): Promise<readonly string[]> {
    const roles = ['clusterroles', 'clusterrolebindings', 'roles', 'rolebindings'];
    const policies = ['validatingadmissionpolicies', 'validatingadmissionpolicybindings'];
    const kinds = ['serviceaccounts', ...roles, ...policies].join(',');
    const select = ['--all-namespaces', `--selector=${driverLabel}=${driverName}`];
    const printed = await this.#bed.cluster.kubectl(['get', kinds, ...select, '--output=name']);
    return printed.split('\n').filter((line) => line !== '');
  }

  async #patch(name: string, ...operations: readonly object[]): Promise<void> {
    await this.#kubectl('patch', name, '--type=json', `--patch=${JSON.stringify(operations)}`);
  }

  /** In the namespace of the driver. */
  async #kubectl(...words: readonly string[]): Promise<string> {
    return await this.#bed.cluster.kubectl([...words, `--namespace=${driverNamespace}`]);
  }

  /** The identity of the process that leads. */
  #leader(): string {
    const lease = this.#bed.watch.find('leases', leaderLease(driverName), driverNamespace);
    return lease?.spec?.holderIdentity ?? '';
  }

  #driverOn(machine: string): Pod | undefined {
    return this.#bed.watch
      .all('pods')
      .find(
        ({ metadata, spec }) => metadata.name.startsWith(agentsName) && spec.nodeName === machine,
      );
  }

  #write(dialect: DialectName): void {
    const file = join(this.#folder, 'kustomization.yaml');
    writeFileSync(file, JSON.stringify(kustomization(this.#folder, this.#variant, dialect)));
  }

  #isReady(): boolean {
    const { watch, machines } = this.#bed;
    const pods = watch.all('pods').filter(({ metadata }) => metadata.namespace === driverNamespace);
    const ready = pods.filter(isReady);
    const known = machines.every(({ name }) => {
      const drivers = watch.find('csinodes', name)?.spec.drivers ?? [];
      const lease = watch.find('leases', heartbeatLease(driverName, name), driverNamespace);
      const beats = this.#variant === 'none' || lease !== undefined;
      return drivers.some((driver) => driver.name === driverName) && beats;
    });
    const led = this.#variant === 'none' || this.leaderNode() !== undefined;
    const perMachine = this.#variant === 'standalone' ? 2 : 1;
    return ready.length === perMachine * machines.length + 2 && known && led;
  }
}

function isReady({ status }: Pod): boolean {
  const conditions = status?.conditions ?? [];
  return conditions.some(({ type, status: is }) => type === 'Ready' && is === 'True');
}

/**
 * Where the array is, what the driver needs of the machine to mount what it serves, and where it
 * reads what it is to do wrong.
 */
function kustomization(folder: string, variant: Variant, dialect: DialectName): object {
  const example = variant === 'standalone' ? 'standalone-agent' : 'test-driver';
  const nodeCan = [...defaultNodeCapabilities, ...dialects[dialect].node];
  const controllerCan = [...defaultControllerCapabilities, ...dialects[dialect].controller];
  const place = { name: 'block-layer', mountPath: '/run/block-layer' };
  const told = [
    add(`${containers}/0/args/-`, `--faults-file=${driverFaults.folder}/${driverFaults.file}`),
    add(`${containers}/0/volumeMounts/-`, { name: 'faults', mountPath: driverFaults.folder }),
    add(
      '/spec/template/spec/volumes/-',
      hostPath('faults', driverFaults.folder, 'DirectoryOrCreate'),
    ),
  ];
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(folder, fileURLToPath(new URL(example, examples)))],
    patches: [
      patch('Deployment', controllerName, [
        replace(`${containers}/0/args/3`, `--array-admin=${arrayAddresses.admin}`),
        add(`${containers}/0/args/-`, `--capabilities=${controllerCan.join(',')}`),
        ...told,
      ]),
      patch('DaemonSet', agentsName, [
        replace(`${containers}/0/args/4`, `--array-nbd=${arrayAddresses.nbd}`),
        add(`${containers}/0/args/-`, `--block-layer=${place.mountPath}/socket`),
        add(`${containers}/0/args/-`, `--node-capabilities=${nodeCan.join(',')}`),
        add(`${containers}/0/volumeMounts/-`, { ...place, mountPropagation: 'HostToContainer' }),
        add(`${containers}/0/volumeMounts/-`, { name: 'devices', mountPath: '/dev' }),
        add('/spec/template/spec/volumes/-', hostPath(place.name, place.mountPath)),
        add('/spec/template/spec/volumes/-', hostPath('devices', '/dev')),
        ...told,
      ]),
      ...ours(variant),
    ],
  };
}

/** csi-failover is the last of the three containers where it stands beside the driver. */
function ours(variant: Variant): readonly object[] {
  switch (variant) {
    case 'sidecar':
      return [patch('DaemonSet', agentsName, bootId(2))];
    case 'standalone':
      return [patch('DaemonSet', standaloneName, bootId(0))];
    case 'none':
      return [
        patch('Deployment', controllerName, [{ op: 'remove', path: `${containers}/2` }]),
        patch('DaemonSet', agentsName, [{ op: 'remove', path: `${containers}/2` }]),
      ];
  }
}

/** A container sees the boot id of the kernel, which here all machines share and which outlives them. */
function bootId(container: number): readonly object[] {
  const place = { name: 'boot-id', mountPath: '/machine/boot_id' };
  return [
    add(`${containers}/${container}/args/-`, `--boot-id-file=${place.mountPath}`),
    add(`${containers}/${container}/volumeMounts/-`, place),
    add(
      '/spec/template/spec/volumes/-',
      hostPath(place.name, '/proc/sys/kernel/random/boot_id', 'File'),
    ),
  ];
}

function patch(kind: string, name: string, operations: readonly object[]): object {
  return { target: { kind, name }, patch: JSON.stringify(operations) };
}

function replace(path: string, value: unknown): object {
  return { op: 'replace', path, value };
}

function add(path: string, value: unknown): object {
  return { op: 'add', path, value };
}

function hostPath(
  name: string,
  path: string,
  type: 'Directory' | 'DirectoryOrCreate' | 'File' = 'Directory',
): object {
  return { name, hostPath: { path, type } };
}
