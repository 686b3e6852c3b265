/** The worked example, installed as a user does it, and what has to be said of the bed's array. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { heartbeatLease, leaderLease } from '../../src/shared/names.ts';
import { defaultControllerCapabilities } from '../driver/controller-service.ts';
import { type DialectName, dialects } from '../driver/dialect.ts';
import { defaultNodeCapabilities } from '../driver/node-service.ts';
import { eventually } from '../machine/eventually.ts';
import type { Pod } from '../model/objects.ts';
import { arrayAddresses, type RealBed } from './real-bed.ts';

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
  readonly #variant: Variant;

  private constructor(bed: RealBed, folder: string, variant: Variant) {
    this.#bed = bed;
    this.#folder = folder;
    this.#variant = variant;
  }

  /** `kubectl apply -k`; resolves when a leader leads and has a heartbeat of every machine. */
  static async apply(bed: RealBed, options: InstallationOptions): Promise<Installation> {
    const { variant = 'sidecar' } = options;
    const folder = join(realpathSync(bed.folder), 'installation');
    mkdirSync(folder, { recursive: true });
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      JSON.stringify(kustomization(folder, variant, options.dialect)),
    );
    const installation = new Installation(bed, folder, variant);
    await bed.cluster.kubectl(['apply', '-k', folder]);
    await installation.ready();
    return installation;
  }

  /** Takes back what was changed by hand. */
  async again(): Promise<void> {
    await this.#bed.cluster.kubectl(['apply', '-k', this.#folder]);
    await this.rolledOut();
  }

  /** Changes the pods of the agents by hand, for example to take something from them. */
  async changeAgents(...operations: readonly object[]): Promise<void> {
    const name = this.#variant === 'standalone' ? standaloneName : agentsName;
    const place = [`daemonset/${name}`, `--namespace=${driverNamespace}`];
    const patch = ['patch', ...place, '--type=json', `--patch=${JSON.stringify(operations)}`];
    await this.#bed.cluster.kubectl(patch);
    await this.rolledOut();
  }

  /** Resolves when every pod is of the newest template, and ready. */
  async rolledOut(): Promise<void> {
    const names = [agentsName, ...(this.#variant === 'standalone' ? [standaloneName] : [])];
    for (const object of [
      `deployment/${controllerName}`,
      ...names.map((name) => `daemonset/${name}`),
    ]) {
      const where = ['--timeout=180s', `--namespace=${driverNamespace}`];
      await this.#bed.cluster.kubectl(['rollout', 'status', object, ...where]);
    }
    await this.ready();
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
    const pattern = 'main.mjs --mode=node --endpoint=';
    await this.#bed.machine(machine).run('pkill', '--signal=KILL', '--full', pattern);
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
    const lease = this.#bed.watch.find('leases', leaderLease(driverName), driverNamespace);
    const holder = lease?.spec?.holderIdentity ?? '';
    const pods = this.#bed.watch.all('pods');
    return pods.find(({ metadata }) => holder.includes(metadata.name))?.spec.nodeName;
  }

  async remove(): Promise<void> {
    await this.#bed.cluster.kubectl(['delete', '-k', this.#folder, '--timeout=90s']);
  }

  #driverOn(machine: string): Pod | undefined {
    return this.#bed.watch
      .all('pods')
      .find(
        ({ metadata, spec }) => metadata.name.startsWith(agentsName) && spec.nodeName === machine,
      );
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

/** Where the array is, and what the driver needs of the machine to mount what it serves. */
function kustomization(folder: string, variant: Variant, dialect: DialectName = 'health'): object {
  const example = variant === 'standalone' ? 'standalone-agent' : 'test-driver';
  const nodeCan = [...defaultNodeCapabilities, ...dialects[dialect].node];
  const controllerCan = [...defaultControllerCapabilities, ...dialects[dialect].controller];
  const place = { name: 'block-layer', mountPath: '/run/block-layer' };
  return {
    apiVersion: 'kustomize.config.k8s.io/v1beta1',
    kind: 'Kustomization',
    resources: [relative(folder, fileURLToPath(new URL(example, examples)))],
    patches: [
      patch('Deployment', controllerName, [
        replace(`${containers}/0/args/3`, `--array-admin=${arrayAddresses.admin}`),
        add(`${containers}/0/args/-`, `--capabilities=${controllerCan.join(',')}`),
      ]),
      patch('DaemonSet', agentsName, [
        replace(`${containers}/0/args/4`, `--array-nbd=${arrayAddresses.nbd}`),
        add(`${containers}/0/args/-`, `--block-layer=${place.mountPath}/socket`),
        add(`${containers}/0/args/-`, `--node-capabilities=${nodeCan.join(',')}`),
        add(`${containers}/0/volumeMounts/-`, { ...place, mountPropagation: 'HostToContainer' }),
        add(`${containers}/0/volumeMounts/-`, { name: 'devices', mountPath: '/dev' }),
        add('/spec/template/spec/volumes/-', hostPath(place.name, place.mountPath)),
        add('/spec/template/spec/volumes/-', hostPath('devices', '/dev')),
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

function hostPath(name: string, path: string, type: 'Directory' | 'File' = 'Directory'): object {
  return { name, hostPath: { path, type } };
}
