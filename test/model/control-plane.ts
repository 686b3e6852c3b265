/** All modelled controllers of one cluster, stepped together, each of which can be switched off. */
import {
  AttachDetachMemory,
  type AttachDetachSettings,
  attachDetachDefaults,
  isAttaching,
  stepAttachDetach,
} from './attach-detach.ts';
import {
  AttacherMemory,
  type AttacherSettings,
  attacherDefaults,
  type Driver,
  stepAttacher,
} from './attacher.ts';
import { DeploymentMemory, stepDeployment } from './deployment.ts';
import { GarbageCollectorMemory, stepGarbageCollector } from './garbage-collector.ts';
import {
  NodeLifecycleMemory,
  type NodeLifecycleSettings,
  nodeLifecycleDefaults,
  stepNodeLifecycle,
} from './node-lifecycle.ts';
import { PodGcMemory, type PodGcSettings, podGcDefaults, stepPodGc } from './pod-gc.ts';
import { ReplicaSetMemory, stepReplicaSet } from './replica-set.ts';
import { SchedulerMemory, stepScheduler } from './scheduler.ts';
import { StatefulSetMemory, stepStatefulSet } from './stateful-set.ts';
import type { StepContext } from './step.ts';
import type { Store } from './store.ts';
import { stepTaintEviction, TaintEvictionMemory } from './taint-eviction.ts';

export type ControllerName =
  | 'attach-detach'
  | 'attacher'
  | 'deployment'
  | 'garbage-collector'
  | 'node-lifecycle'
  | 'pod-gc'
  | 'replica-set'
  | 'scheduler'
  | 'stateful-set'
  | 'taint-eviction';

export interface ControlPlaneOptions {
  /** One attacher runs per driver. */
  readonly drivers: readonly Driver[];
  readonly off?: readonly ControllerName[];
  readonly attachDetach?: Partial<AttachDetachSettings>;
  readonly attacher?: Partial<AttacherSettings>;
  readonly nodeLifecycle?: Partial<NodeLifecycleSettings>;
  readonly podGc?: Partial<PodGcSettings>;
}

export class ControlPlane {
  readonly #store: Store;
  readonly #options: ControlPlaneOptions;
  readonly #off: Set<ControllerName>;
  readonly #controllers = new Map<ControllerName, (context: StepContext) => void>();
  /** Those that are not switched off. */
  #running: readonly ((context: StepContext) => void)[] = [];
  #attachDetach = new AttachDetachMemory();

  constructor(store: Store, options: ControlPlaneOptions) {
    this.#store = store;
    this.#options = options;
    this.#off = new Set(options.off);
    this.restart();
  }

  /** Call every 100 ms or less; `now` is monotonic milliseconds. */
  step(now: number): void {
    const context = { store: this.#store, now };
    for (const step of this.#running) step(context);
  }

  /** A controller that is off keeps its memory: it is stopped, not restarted. */
  switch(name: ControllerName, on: boolean): void {
    if (on) this.#off.delete(name);
    else this.#off.add(name);
    this.#start();
  }

  /** All controllers forget what they had in memory: a new leader of kube-controller-manager. */
  restart(...only: readonly ControllerName[]): void {
    const forgets = (name: ControllerName): boolean => only.length === 0 || only.includes(name);
    if (forgets('attach-detach')) this.#attachDetach = new AttachDetachMemory();
    for (const [name, step] of this.#fresh()) {
      if (forgets(name)) this.#controllers.set(name, step);
    }
    this.#start();
  }

  /** Attach/detach is in the middle of an attempt to attach the volume to the node. */
  isAttaching(pv: string, node: string): boolean {
    return isAttaching(this.#attachDetach, pv, node);
  }

  #start(): void {
    this.#running = [...this.#controllers].flatMap(([name, step]) =>
      this.#off.has(name) ? [] : [step],
    );
  }

  #fresh(): Map<ControllerName, (context: StepContext) => void> {
    const { drivers, ...options } = this.#options;
    const attachDetach = { ...attachDetachDefaults, ...options.attachDetach };
    const attacher = { ...attacherDefaults, ...options.attacher };
    const nodeLifecycle = { ...nodeLifecycleDefaults, ...options.nodeLifecycle };
    const podGc = { ...podGcDefaults, ...options.podGc };
    const attachers = drivers.map((driver) => ({ driver, memory: new AttacherMemory() }));
    const steps = new Map<ControllerName, (context: StepContext) => void>();
    const lifecycle = new NodeLifecycleMemory();
    steps.set('node-lifecycle', ({ store, now }) =>
      stepNodeLifecycle({ store, now, settings: nodeLifecycle }, lifecycle),
    );
    steps.set('taint-eviction', bind(stepTaintEviction, new TaintEvictionMemory()));
    const gc = new PodGcMemory();
    steps.set('pod-gc', ({ store, now }) => stepPodGc({ store, now, settings: podGc }, gc));
    steps.set('deployment', bind(stepDeployment, new DeploymentMemory()));
    steps.set('replica-set', bind(stepReplicaSet, new ReplicaSetMemory()));
    steps.set('stateful-set', bind(stepStatefulSet, new StatefulSetMemory()));
    steps.set('scheduler', bind(stepScheduler, new SchedulerMemory()));
    const memory = this.#attachDetach;
    steps.set('attach-detach', ({ store, now }) =>
      stepAttachDetach({ store, now, settings: attachDetach }, memory),
    );
    steps.set('attacher', ({ store, now }) => {
      for (const { driver, memory } of attachers) {
        stepAttacher({ store, now, driver, settings: attacher }, memory);
      }
    });
    steps.set('garbage-collector', bind(stepGarbageCollector, new GarbageCollectorMemory()));
    return steps;
  }
}

function bind<Memory>(
  step: (context: StepContext, memory: Memory) => void,
  memory: Memory,
): (context: StepContext) => void {
  return (context) => step(context, memory);
}
