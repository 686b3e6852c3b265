/** The worked example, installed as a user does it. */
import { mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  driverLabel,
  heartbeatLease,
  leaderLease,
  switchConfigMap,
} from '../../src/shared/names.ts';
import type { DialectName } from '../driver/dialect.ts';
import { must } from '../machine/create-workload.ts';
import { eventually } from '../machine/eventually.ts';
import type { Pod } from '../model/objects.ts';
import { exampleNames, type InstalledNames, standaloneName, type Variant } from './example.ts';
import { containers, kustomization, replace } from './kustomization.ts';
import type { RealBed } from './real-bed.ts';

export const { driverName, driverNamespace, controllerName, agentsName } = exampleNames;

export interface InstallationOptions {
  /** Default: csi-failover beside the driver. */
  readonly variant?: Variant;
  /** How the driver speaks of the health of volumes; default `health`, the newer one. */
  readonly dialect?: DialectName;
  /** Default: those of the example. For a driver beside that: `sidecar` only. */
  readonly names?: InstalledNames;
}

/** An installation of an example on a bed. */
export class Installation {
  readonly #bed: RealBed;
  readonly #folder: string;
  readonly #names: InstalledNames;
  #variant: Variant;
  #shipped: { readonly spec: { readonly template: unknown } } | undefined;

  private constructor(bed: RealBed, names: InstalledNames, variant: Variant) {
    this.#bed = bed;
    this.#names = names;
    this.#folder = join(realpathSync(bed.folder), names.driverNamespace);
    mkdirSync(this.#folder, { recursive: true });
    this.#variant = variant;
  }

  /** `kubectl apply -k`; resolves when a leader leads and has a heartbeat of every machine. */
  static async apply(bed: RealBed, options: InstallationOptions): Promise<Installation> {
    const { variant = 'sidecar', dialect = 'health', names = exampleNames } = options;
    const installation = new Installation(bed, names, variant);
    installation.#write(dialect);
    await bed.cluster.kubectl(['apply', '-k', installation.#folder]);
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
    const { agentsName } = this.#names;
    const name = `daemonset/${this.#variant === 'standalone' ? standaloneName : agentsName}`;
    this.#shipped ??= JSON.parse(await this.#kubectl('get', name, '--output=json'));
    await this.#patch(name, replace('/spec/template', this.#shipped?.spec.template), ...operations);
    await this.rolledOut();
  }

  /** Resolves when every pod is of the newest template, and ready. */
  async rolledOut(): Promise<void> {
    const { agentsName, controllerName } = this.#names;
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
    const { controllerName, driverName: driver } = this.#names;
    await this.#patch(`deployment/${controllerName}`, { op: 'remove', path: `${containers}/2` });
    this.#variant = 'none';
    await this.rolledOut();
    await this.#kubectl('delete', 'lease', `--selector=${driverLabel}=${driver}`);
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
    await this.#kubectl('delete', 'pod', name);
    const renewed = (): boolean => {
      const pod = this.#driverOn(machine);
      return pod !== undefined && pod.metadata.uid !== uid && isReady(pod);
    };
    await eventually(renewed, { what: `another driver on ${machine}`, withinMs: 60_000 });
  }

  /** As many replicas of driver and csi-failover as from now on; resolves when their pods are there. */
  async scale(replicas: number): Promise<void> {
    const flag = `--replicas=${replicas}`;
    await this.#kubectl('scale', `deployment/${this.#names.controllerName}`, flag);
    await eventually(() => this.replicaNodes().length === replicas, {
      what: `${replicas} replicas`,
      withinMs: 60_000,
    });
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
    const replicas = pods.filter(({ metadata }) =>
      metadata.name.startsWith(this.#names.controllerName),
    );
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
    const place = { namespace: this.#names.driverNamespace, name: switchConfigMap };
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
    const select = ['--all-namespaces', `--selector=${driverLabel}=${this.#names.driverName}`];
    const printed = await this.#bed.cluster.kubectl(['get', kinds, ...select, '--output=name']);
    return printed.split('\n').filter((line) => line !== '');
  }

  async #patch(name: string, ...operations: readonly object[]): Promise<void> {
    await this.#kubectl('patch', name, '--type=json', `--patch=${JSON.stringify(operations)}`);
  }

  /** In the namespace of the driver. */
  async #kubectl(...words: readonly string[]): Promise<string> {
    return await this.#bed.cluster.kubectl([
      ...words,
      `--namespace=${this.#names.driverNamespace}`,
    ]);
  }

  /** The identity of the process that leads. */
  #leader(): string {
    const { driverName: driver, driverNamespace: namespace } = this.#names;
    const lease = this.#bed.watch.find('leases', leaderLease(driver), namespace);
    return lease?.spec?.holderIdentity ?? '';
  }

  #driverOn(machine: string): Pod | undefined {
    return this.#bed.watch
      .all('pods')
      .find(
        ({ metadata, spec }) =>
          metadata.name.startsWith(this.#names.agentsName) && spec.nodeName === machine,
      );
  }

  #write(dialect: DialectName): void {
    const file = join(this.#folder, 'kustomization.yaml');
    const said = { variant: this.#variant, dialect };
    writeFileSync(file, JSON.stringify(kustomization(this.#folder, this.#names, said)));
  }

  #isReady(): boolean {
    const { watch, machines } = this.#bed;
    const { driverName: driver, driverNamespace: namespace } = this.#names;
    const pods = watch.all('pods').filter(({ metadata }) => metadata.namespace === namespace);
    const ready = pods.filter(isReady);
    const known = machines.every(({ name }) => {
      const drivers = watch.find('csinodes', name)?.spec.drivers ?? [];
      const lease = watch.find('leases', heartbeatLease(driver, name), namespace);
      const beats = this.#variant === 'none' || lease !== undefined;
      return drivers.some((one) => one.name === driver) && beats;
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
