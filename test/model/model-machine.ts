/** A worker node of the synchronous world: carries out what `decideKubelet` wants, at once. */
import { csiVolumesOf } from './csi-volumes.ts';
import { decideKubelet, leaseRenewal } from './kubelet.ts';
import type {
  KubeletAction,
  KubeletMemory,
  KubeletSettings,
  KubeletView,
  MachineState,
  VolumeOnMachine,
  Workload,
} from './kubelet-action.ts';
import { kubeletDefaults } from './kubelet-action.ts';
import type { Lease } from './objects.ts';
import { Gate } from './step.ts';
import type { Store } from './store.ts';

export interface ModelMachineOptions {
  readonly name: string;
  readonly store: Store;
  readonly drivers: readonly { readonly name: string; readonly nodeId: string }[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly settings?: Partial<KubeletSettings>;
}

export interface RunningWorkload {
  readonly podUid: string;
  readonly volumes: readonly VolumeOnMachine[];
}

const freshMemory: KubeletMemory = {
  registered: false,
  leaseRenewedAt: undefined,
  statusPostedAt: undefined,
};
const emptyMachine: MachineState = { staged: [], published: [], workloads: [] };

export class ModelMachine {
  readonly name: string;
  readonly #options: ModelMachineOptions;
  readonly #settings: KubeletSettings;
  #machine: MachineState = emptyMachine;
  #memory: KubeletMemory = freshMemory;
  #ready = true;
  #boots = 1;
  #powered = true;
  #kubelet = true;
  #frozen = false;
  #cut = false;
  #mute = false;
  #deaf = false;
  /** What a deaf kubelet goes on believing. */
  #lastView: KubeletView | undefined;
  readonly #gate = new Gate(
    'pods',
    'nodes',
    'persistentvolumes',
    'persistentvolumeclaims',
    'volumeattachments',
    'csinodes',
    'csidrivers',
  );
  #keeps: string | undefined;
  /** Something changed here, so look even if nothing changed in the store. */
  #changed = true;
  /** What it had nothing to do about when it looked last, and until when. */
  #seen: readonly unknown[] = [];
  #idleUntil = Number.NEGATIVE_INFINITY;
  /** The same, but for the renewal of its Lease. */
  #renewsUntil = Number.NEGATIVE_INFINITY;

  constructor(options: ModelMachineOptions) {
    this.#options = options;
    this.name = options.name;
    this.#settings = { ...kubeletDefaults, ...options.settings };
  }

  get bootId(): string {
    return `${this.name}-boot-${this.#boots}`;
  }

  /** What hangs when the kubelet unmounts or unstages it: the handle of a volume. */
  set keeps(handle: string | undefined) {
    this.#keeps = handle;
    this.#changed = true;
  }

  /** What the kubelet says of itself. */
  set ready(ready: boolean) {
    this.#ready = ready;
    this.#changed = true;
  }

  /** Everything stops at once; mounts and containers are gone, as after a pulled plug. */
  powerOff(): void {
    this.#changed = true;
    this.#powered = false;
    this.#machine = emptyMachine;
    this.#memory = freshMemory;
    this.#lastView = undefined;
  }

  /** A new life of the machine, with a new boot id, not frozen. */
  boot(): void {
    this.#changed = true;
    this.powerOff();
    this.#boots += 1;
    this.#powered = true;
    this.#kubelet = true;
    this.#frozen = false;
  }

  /** The workloads go on: they belong to the container runtime. */
  killKubelet(): void {
    this.#changed = true;
    this.#kubelet = false;
    this.#memory = freshMemory;
  }

  startKubelet(): void {
    this.#changed = true;
    this.#kubelet = true;
  }

  /** Nothing runs, everything is kept: SIGSTOP of the whole machine, or a suspended guest. */
  freeze(frozen: boolean): void {
    this.#changed = true;
    this.#frozen = frozen;
  }

  /** Without the API the kubelet leaves everything as it is; the workloads go on. */
  cutApi(cut: boolean): void {
    if (cut === this.#cut) return;
    this.#changed = true;
    this.#cut = cut;
  }

  /** What it writes is lost; it sees everything, and acts on its machine. */
  mute(mute: boolean): void {
    if (mute === this.#mute) return;
    this.#changed = true;
    this.#mute = mute;
  }

  /** It writes, but goes on believing what it saw last. */
  deafen(deaf: boolean): void {
    if (deaf === this.#deaf) return;
    this.#changed = true;
    this.#deaf = deaf;
  }

  get #alive(): boolean {
    return this.#powered && !this.#frozen;
  }

  /** What could write right now, by pod uid. */
  get running(): readonly RunningWorkload[] {
    if (!this.#alive) return [];
    return this.#machine.workloads
      .filter(({ state }) => state === 'running')
      .map(({ podUid }) => ({
        podUid,
        volumes: this.#machine.published.filter((one) => one.podUid === podUid),
      }));
  }

  get machine(): MachineState {
    return this.#machine;
  }

  /** The containers of a pod end by themselves. */
  exit(podUid: string, state: 'succeeded' | 'failed'): void {
    this.#changed = true;
    this.#setWorkload({ podUid, state });
  }

  /** Decides and acts once; later steps see what came of it. */
  step(now: number): void {
    if (!this.#alive || !this.#kubelet || this.#cut) return;
    const open = this.#gate.open({ store: this.#options.store, now });
    if (!open && !this.#changed) return;
    const seen = this.#sight();
    const same = !this.#changed && sameItems(seen, this.#seen);
    this.#seen = seen;
    if (!same || now >= this.#renewsUntil) this.#work(now);
    else if (now >= this.#idleUntil) this.#renewLease(now);
    this.#setWakeUp(now);
  }

  #work(now: number): void {
    this.#changed = false;
    const done = new Set<string>();
    for (const action of decideKubelet(this.#view(), now, this.#settings)) {
      if (done.has(action.key)) continue;
      done.add(action.key);
      this.#act(action, now);
      // Nothing that it decides, but when it renews next, depends on its Lease.
      if (action.kind !== 'renewLease') this.#changed = true;
    }
  }

  get #lease(): Lease | undefined {
    return this.#options.store.find('leases', this.name, 'kube-node-lease');
  }

  /** Nothing else comes of a decision then, which is dear: most would be made for this alone. */
  #renewLease(now: number): void {
    const believed = this.#deaf ? this.#lastView : undefined;
    const lease = believed === undefined ? this.#lease : believed.lease;
    const microTimestamp = this.#options.store.microTimestamp();
    if (lease === undefined) this.#work(now);
    else this.#act(leaseRenewal({ nodeName: this.name, microTimestamp }), now);
  }

  /** All that its decision depends on, beside its own state and clock: most changes are others'. */
  #sight(): readonly unknown[] {
    const { store } = this.#options;
    const { name } = this;
    return [
      store.find('nodes', name),
      store.find('csinodes', name),
      ...volumeKinds.map((kind) => store.versionOf(kind).newest),
      ...onNode(store.all('pods'), name),
      ...onNode(store.all('volumeattachments'), name),
    ];
  }

  #setWakeUp(now: number): void {
    const { leaseRenewedAt = 0, statusPostedAt = 0 } = this.#memory;
    const { leaseRenewIntervalMs, statusIntervalMs, statusReportMs } = this.#settings;
    this.#renewsUntil = Math.min(
      statusPostedAt + statusReportMs,
      statusPostedAt + statusIntervalMs > now
        ? statusPostedAt + statusIntervalMs
        : Number.POSITIVE_INFINITY,
    );
    this.#idleUntil = Math.min(leaseRenewedAt + leaseRenewIntervalMs, this.#renewsUntil);
    this.#gate.wakeAt(this.#idleUntil);
  }

  #view(): KubeletView {
    if (this.#deaf && this.#lastView !== undefined) {
      const { machine } = this;
      const memory = this.#memory;
      const { store } = this.#options;
      const [timestamp, microTimestamp] = [store.timestamp(), store.microTimestamp()];
      return { ...this.#lastView, machine, memory, timestamp, microTimestamp };
    }
    this.#lastView = this.#freshView();
    return this.#lastView;
  }

  #freshView(): KubeletView {
    const { store, drivers, labels } = this.#options;
    const { name } = this;
    return {
      nodeName: name,
      bootId: this.bootId,
      ...(labels === undefined ? {} : { labels }),
      drivers,
      ready: this.#ready,
      synced: true,
      node: store.find('nodes', name),
      csiNode: store.find('csinodes', name),
      lease: this.#lease,
      pods: onNode(store.all('pods'), name).map((pod) => {
        const volumes = csiVolumesOf(store, pod);
        const claims = (pod.spec.volumes ?? []).filter(
          (volume) => volume.persistentVolumeClaim !== undefined,
        );
        return { pod, volumes: volumes.length < claims.length ? undefined : volumes };
      }),
      attachments: onNode(store.all('volumeattachments'), name),
      machine: this.#machine,
      memory: this.#memory,
      timestamp: store.timestamp(),
      microTimestamp: store.microTimestamp(),
    };
  }

  #act(action: KubeletAction, now: number): void {
    if (this.#mute && isRequest(action)) return;
    const unmounts = action.kind === 'unpublish' || action.kind === 'unstage';
    if (unmounts && action.volume.handle === this.#keeps) return;
    const { store } = this.#options;
    const status = { subresource: 'status' } as const;
    const { staged, published } = this.#machine;
    switch (action.kind) {
      case 'createNode':
        store.create('nodes', action.object);
        this.#memory = { ...this.#memory, registered: true };
        return;
      case 'updateCsiNode':
        store.update('csinodes', action.object);
        return;
      case 'createCsiNode':
        store.create('csinodes', action.object);
        return;
      case 'createLease':
        store.create('leases', action.object);
        this.#memory = { ...this.#memory, leaseRenewedAt: now };
        return;
      case 'renewLease': {
        const place = { namespace: 'kube-node-lease', name: this.name };
        store.patch('leases', place, action.body);
        this.#memory = { ...this.#memory, leaseRenewedAt: now };
        return;
      }
      case 'patchNodeStatus':
        store.patch('nodes', { name: this.name }, action.body, status);
        this.#memory = { ...this.#memory, statusPostedAt: now, registered: true };
        return;
      case 'patchPodStatus':
        store.patch('pods', action.pod.metadata, action.body, status);
        return;
      case 'deletePod':
        store.delete('pods', action.pod.metadata, {
          uid: action.pod.metadata.uid,
          gracePeriodSeconds: 0,
        });
        return;
      case 'stage':
        this.#machine = { ...this.#machine, staged: [...staged, onMachine(action.volume)] };
        return;
      case 'publish': {
        const entry = { ...onMachine(action.volume), podUid: action.pod.metadata.uid };
        this.#machine = { ...this.#machine, published: [...published, entry] };
        return;
      }
      case 'unpublish': {
        const rest = published.filter(
          (one) => one.podUid !== action.podUid || !same(one, action.volume),
        );
        this.#machine = { ...this.#machine, published: rest };
        return;
      }
      case 'unstage': {
        const rest = staged.filter((one) => !same(one, action.volume));
        this.#machine = { ...this.#machine, staged: rest };
        return;
      }
      case 'startWorkload':
        this.#setWorkload({ podUid: action.pod.metadata.uid, state: 'running' });
        return;
      case 'stopWorkload':
        this.#setWorkload({ podUid: action.podUid, state: 'failed' });
    }
  }

  #setWorkload(workload: Workload): void {
    // What ended and is not the pod in question is of no use to anybody: forget it.
    const others = this.#machine.workloads.filter(
      ({ podUid, state }) =>
        podUid !== workload.podUid && (state === 'running' || this.#options.store.hasUid(podUid)),
    );
    this.#machine = { ...this.#machine, workloads: [...others, workload] };
  }
}

const volumeKinds = ['persistentvolumes', 'persistentvolumeclaims', 'csidrivers'] as const;

function sameItems(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((item, i) => item === b[i]);
}

interface OnNode {
  readonly spec: { readonly nodeName?: string };
}

const byNode = new WeakMap<readonly OnNode[], ReadonlyMap<string, readonly OnNode[]>>();

/** Those of a node; a snapshot is sorted once for all machines. */
function onNode<T extends OnNode>(snapshot: readonly T[], node: string): readonly T[] {
  let sorted = byNode.get(snapshot);
  if (sorted === undefined) {
    sorted = Map.groupBy(snapshot, ({ spec }) => spec.nodeName ?? '');
    byNode.set(snapshot, sorted);
  }
  return (sorted.get(node) ?? []) as readonly T[];
}

function isRequest({ kind }: KubeletAction): boolean {
  const local = ['stage', 'publish', 'unpublish', 'unstage', 'startWorkload', 'stopWorkload'];
  return !local.includes(kind);
}

function onMachine({ driver, handle }: VolumeOnMachine): VolumeOnMachine {
  return { driver, handle };
}

function same(a: VolumeOnMachine, b: VolumeOnMachine): boolean {
  return a.driver === b.driver && a.handle === b.handle;
}
