/** A whole small cluster on the model, for tests: machines, control plane, array, one clock. */
import type { JsonObject } from '../../src/shared/effect.ts';
import { ControlPlane, type ControlPlaneOptions } from './control-plane.ts';
import type { KubeletSettings } from './kubelet-action.ts';
import { ModelArray } from './model-array.ts';
import { ModelMachine } from './model-machine.ts';
import type { Pod, VolumeAttachment } from './objects.ts';
import { Store } from './store.ts';

export const testDriver = 'block.csi.test';
/** 2026-01-01T00:00:00Z, so that timestamps in failures are readable. */
const epoch = Date.UTC(2026, 0, 1);

export interface ModelClusterOptions {
  /** Default: a, b, c. */
  readonly nodes?: readonly string[];
  readonly controlPlane?: Partial<ControlPlaneOptions>;
  /** What differs from a stock kubelet's settings. */
  readonly kubelet?: Partial<KubeletSettings>;
  readonly stepMs?: number;
}

export class ModelCluster {
  readonly store: Store;
  readonly array = new ModelArray(testDriver);
  readonly controlPlane: ControlPlane;
  readonly machines = new Map<string, ModelMachine>();
  readonly #stepMs: number;
  #now = 0;

  constructor(options: ModelClusterOptions = {}) {
    this.#stepMs = options.stepMs ?? 100;
    this.store = new Store({ wallTime: () => epoch + this.#now });
    this.controlPlane = new ControlPlane(this.store, {
      drivers: [this.array],
      ...options.controlPlane,
    });
    this.store.create('namespaces', { metadata: { name: 'default' } });
    this.store.create('csidrivers', {
      metadata: { name: testDriver },
      spec: { attachRequired: true },
    });
    for (const name of options.nodes ?? ['a', 'b', 'c']) {
      const drivers = [{ name: testDriver, nodeId: nodeIdOf(name) }];
      const settings = options.kubelet ?? {};
      this.machines.set(name, new ModelMachine({ name, store: this.store, drivers, settings }));
    }
    this.run(1_000);
  }

  get now(): number {
    return this.#now;
  }

  machine(name: string): ModelMachine {
    const machine = this.machines.get(name);
    if (machine === undefined) throw new Error(`no machine ${name}`);
    return machine;
  }

  /** Lets so many milliseconds pass, or ends earlier when `until` holds; answers what passed. */
  run(durationMs: number, until: () => boolean = () => false): number {
    const start = this.#now;
    while (this.#now - start < durationMs && !until()) {
      this.#now += this.#stepMs;
      this.controlPlane.step(this.#now);
      for (const machine of this.machines.values()) machine.step(this.#now);
    }
    return this.#now - start;
  }

  /** A PersistentVolume and the claim bound to it. */
  addVolume(claim: string, accessModes: readonly string[] = ['ReadWriteOnce']): void {
    this.store.create('persistentvolumes', {
      metadata: { name: `pv-${claim}` },
      spec: {
        accessModes,
        csi: { driver: testDriver, volumeHandle: handleOf(claim) },
        claimRef: { namespace: 'default', name: claim },
      },
    });
    this.store.create('persistentvolumeclaims', {
      metadata: { name: claim, namespace: 'default' },
      spec: { accessModes, volumeName: `pv-${claim}` },
    });
  }

  /** With claims `data-<name>-<ordinal>`, which are made here. */
  addStatefulSet(name: string, replicas = 1, podSpec: JsonObject = {}): void {
    for (let i = 0; i < replicas; i += 1) this.addVolume(`data-${name}-${i}`);
    const labels = { app: name };
    this.store.create('statefulsets', {
      metadata: { name, namespace: 'default' },
      spec: {
        replicas,
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: { containers: [{ name: 'main' }], ...podSpec } },
        volumeClaimTemplates: [{ metadata: { name: 'data' } }],
      },
    });
  }

  /** Strategy Recreate; all replicas share `claim`. */
  addDeployment(name: string, claim: string, replicas = 1): void {
    const labels = { app: name };
    this.store.create('deployments', {
      metadata: { name, namespace: 'default' },
      spec: {
        replicas,
        strategy: { type: 'Recreate' },
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpecWith(claim) },
      },
    });
  }

  /** A pod without a controller, bound to `node` if given. */
  addPod(name: string, claim: string, node?: string): void {
    this.store.create('pods', {
      metadata: { name, namespace: 'default' },
      spec: { ...podSpecWith(claim), nodeName: node },
    });
  }

  pod(name: string): Pod | undefined {
    return this.store.find('pods', name, 'default');
  }

  /** The pods whose label `app` is this, in order of creation. */
  podsOf(app: string): readonly Pod[] {
    return this.store.all('pods').filter((pod) => pod.metadata.labels?.['app'] === app);
  }

  attachmentOn(node: string): VolumeAttachment | undefined {
    return this.store.all('volumeattachments').find(({ spec }) => spec.nodeName === node);
  }

  isRunning(name: string): boolean {
    return this.pod(name)?.status?.phase === 'Running';
  }

  taint(node: string, key: string, effect = 'NoSchedule'): void {
    const taints = this.store.find('nodes', node)?.spec?.taints ?? [];
    this.store.patch('nodes', { name: node }, { spec: { taints: [...taints, { key, effect }] } });
  }

  /** DELETE with grace 0: what people do by `kubectl delete --force`. */
  forceDelete(name: string): void {
    this.store.delete('pods', { namespace: 'default', name }, { gracePeriodSeconds: 0 });
  }
}

export function nodeIdOf(node: string): string {
  return `id-${node}`;
}

export function handleOf(claim: string): string {
  return `vol-${claim}`;
}

function podSpecWith(claim: string): JsonObject {
  return {
    containers: [{ name: 'main' }],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: claim } }],
  };
}
