/** A plain agent of one model machine: heartbeat by compare-and-swap, report, attestation. */
import {
  driverLabel,
  fenceAnnotation,
  heartbeatLease,
  reportAnnotation,
} from '../../src/shared/names.ts';
import {
  decodeFenceRecord,
  encodeNodeReport,
  heartbeatHolder,
  type FenceRecord,
} from '../../src/shared/record.ts';
import { nodeIdOf } from '../model/cluster.ts';
import type { ModelMachine } from '../model/model-machine.ts';
import type { Store } from '../model/store.ts';

export interface ModelAgentOptions {
  readonly machine: ModelMachine;
  readonly store: Store;
  readonly driver: string;
  /** Between heartbeats; default 2 s. */
  readonly intervalMs?: number;
}

export class ModelAgent {
  readonly machine: ModelMachine;
  readonly #store: Store;
  readonly #driver: string;
  readonly #intervalMs: number;
  /** The world says whether machine, network and agent let it run now. */
  running = true;
  kubeletRunning = true;
  #nextAt = 0;
  #kubeletDeadSince: number | undefined;

  constructor(options: ModelAgentOptions) {
    this.machine = options.machine;
    this.#store = options.store;
    this.#driver = options.driver;
    this.#intervalMs = options.intervalMs ?? 2_000;
  }

  get leaseName(): string {
    return heartbeatLease(this.#driver, this.machine.name);
  }

  step(now: number): void {
    if (this.kubeletRunning) this.#kubeletDeadSince = undefined;
    else this.#kubeletDeadSince ??= now;
    if (!this.running || now < this.#nextAt) return;
    this.#nextAt = now + this.#intervalMs;
    const place = { namespace: 'default', name: this.leaseName };
    const lease = this.#store.find('leases', place.name, place.namespace);
    const record = decodeFenceRecord(lease?.metadata.annotations?.[fenceAnnotation]);
    const annotations = { [reportAnnotation]: this.#report(record, now) };
    const spec = {
      holderIdentity: heartbeatHolder(this.machine.name, this.machine.bootId),
      renewTime: this.#store.microTimestamp(),
    };
    const labels = { [driverLabel]: this.#driver };
    if (lease === undefined) {
      this.#store.create('leases', { metadata: { ...place, labels, annotations }, spec });
      return;
    }
    const { resourceVersion } = lease.metadata;
    this.#store.patch('leases', place, {
      metadata: { resourceVersion, labels, annotations },
      spec,
    });
  }

  #report(record: FenceRecord | undefined, now: number): string {
    const { bootId } = this.machine;
    const dead = this.#kubeletDeadSince !== undefined && now - this.#kubeletDeadSince > 6_000;
    const clean =
      record?.phase === 'Moved' && this.#isClean(record)
        ? { clean: { epoch: record.epoch, bootId } }
        : {};
    return encodeNodeReport({
      v: 1,
      bootId,
      nodeId: nodeIdOf(this.machine.name),
      driver: 'ok',
      kubelet: dead ? 'dead' : 'ok',
      unhealthy: [],
      ...clean,
    });
  }

  #isClean(record: FenceRecord): boolean {
    const fenced = new Set(record.volumes.map(({ handle }) => handle));
    const { staged, published } = this.machine.machine;
    const left = [...staged, ...published].filter(
      ({ driver, handle }) => driver === this.#driver && (fenced.size === 0 || fenced.has(handle)),
    );
    return left.length === 0;
  }
}
