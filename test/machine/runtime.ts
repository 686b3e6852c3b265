import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runWorkload, type WorkloadEvent } from '../array/workload.ts';
import { type Device, deviceFile } from '../driver/device.ts';

/** What a pod runs: one writer per mount. */
export interface Container {
  readonly podUid: string;
  /** `namespace/name` of the place that the pod fills; see BlockHeader. */
  readonly slot: string;
  /** Target paths, as NodePublishVolume left them. */
  readonly mounts: readonly string[];
}

export interface RunningContainer extends Container {
  /** By volume handle: the last transition of its writer. */
  readonly states: Readonly<Record<string, WorkloadEvent | 'starting'>>;
}

export interface RuntimeOptions {
  readonly intervalMs: number;
  readonly deadlineMs: number;
  /** Where it keeps a directory for each container, as in the tree of cgroups of a node. */
  readonly cgroupDir?: string;
}

interface Running {
  readonly container: Container;
  readonly stop: AbortController;
  readonly states: Map<string, WorkloadEvent | 'starting'>;
  readonly ended: Promise<unknown>;
}

/** Owns the pods' programs, as a container runtime does: they go on without a kubelet. */
export class Runtime {
  readonly #options: RuntimeOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: RuntimeOptions) {
    this.#options = options;
    // That of the agent, which is a container like any other.
    this.#makeGroup('agent');
  }

  list(): readonly RunningContainer[] {
    return [...this.#running.values()].map(({ container, states }) => ({
      ...container,
      states: Object.fromEntries(states),
    }));
  }

  /** Does nothing if the pod runs already. Throws if something is not mounted. */
  start(container: Container): void {
    if (this.#running.has(container.podUid)) return;
    const devices = container.mounts.map(readDevice);
    this.#makeGroup(container.podUid);
    const stop = new AbortController();
    const states = new Map<string, WorkloadEvent | 'starting'>();
    const writers = devices.map((device) => {
      const handle = device.export.slice(0, device.export.lastIndexOf('@'));
      states.set(handle, 'starting');
      return runWorkload({
        ...this.#options,
        array: device.array,
        exportName: device.export,
        slot: container.slot,
        podUid: container.podUid,
        onStatus: (status) => states.set(handle, status.event),
        signal: stop.signal,
      });
    });
    this.#running.set(container.podUid, {
      container,
      stop,
      states,
      ended: Promise.allSettled(writers),
    });
  }

  /** Resolves when nothing of the pod writes any more; it may take as long as a hung write. */
  async stop(podUid: string): Promise<void> {
    const running = this.#running.get(podUid);
    if (running === undefined) return;
    running.stop.abort();
    await running.ended;
    this.#running.delete(podUid);
    rmSync(this.#groupOf(podUid), { recursive: true, force: true });
  }

  #makeGroup(podUid: string): void {
    if (this.#options.cgroupDir === undefined) return;
    mkdirSync(join(this.#groupOf(podUid), 'container'), { recursive: true });
  }

  #groupOf(podUid: string): string {
    return join(this.#options.cgroupDir ?? '', 'kubepods', `pod${podUid}`);
  }
}

function readDevice(target: string): Device {
  return JSON.parse(readFileSync(join(target, deviceFile), 'utf8')) as Device;
}
