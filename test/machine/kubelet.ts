import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { attachmentName } from '../model/attachment-name.ts';
import { decideKubelet } from '../model/kubelet.ts';
import type {
  KubeletAction,
  KubeletMemory,
  KubeletSettings,
  KubeletView,
} from '../model/kubelet-action.ts';
import type { Pod } from '../model/objects.ts';
import type { ApiAnswer, ApiClient } from './api-client.ts';
import type { CsiClient } from './csi-client.ts';
import { type ApiView, KubeletApi } from './kubelet-api.ts';
import type { KubeletDisk } from './kubelet-disk.ts';
import { watchNode } from './node-watch.ts';
import type { RuntimeClient } from './runtime-client.ts';

export interface KubeletOptions {
  readonly nodeName: string;
  /** Of the Node. */
  readonly labels: Readonly<Record<string, string>>;
  readonly bootId: string;
  readonly api: ApiClient;
  /** The drivers of the machine by name; they have registered while their sockets are there. */
  readonly drivers: ReadonlyMap<string, { readonly csi: CsiClient; readonly socket: string }>;
  readonly runtime: RuntimeClient;
  readonly disk: KubeletDisk;
  readonly settings: KubeletSettings;
  /** How often it looks at most, while things change. */
  readonly pollMs: number;
  readonly log: (line: string) => void;
}

const csiDeadlineMs = 10_000;
/** It looks that often though nothing says that something has changed: sockets of drivers tell nobody. */
const resyncMs = 1_000;

/** A kubelet without containers: sees, decides as the model does, and acts over API, CSI and runtime. */
export class Kubelet {
  readonly #options: KubeletOptions;
  readonly #api: KubeletApi;
  readonly #busy = new Set<string>();
  #shuttingDown = false;
  /** Something has changed since it began to look. */
  #stale = false;
  #memory: KubeletMemory = {
    registered: false,
    leaseRenewedAt: undefined,
    statusPostedAt: undefined,
  };

  constructor(options: KubeletOptions) {
    this.#options = options;
    this.#api = new KubeletApi(options.api, options.nodeName);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { api, nodeName, pollMs } = this.#options;
    const changed = (): void => {
      this.#stale = true;
    };
    const watching = watchNode(api, nodeName, { signal, changed });
    while (!signal.aborted) {
      this.#stale = false;
      try {
        await this.#sync();
      } catch (error: unknown) {
        this.#log('sync', error);
      }
      const next = this.#nextLookAt();
      do {
        await sleep(pollMs, undefined, { signal }).catch(() => undefined);
      } while (!this.#stale && performance.now() < next && !signal.aborted);
    }
    await watching;
  }

  /** The machine is about to go off. */
  shutDown(): void {
    this.#shuttingDown = true;
    this.#stale = true;
  }

  #nextLookAt(): number {
    const { leaseRenewIntervalMs } = this.#options.settings;
    const { leaseRenewedAt = Number.POSITIVE_INFINITY } = this.#memory;
    return Math.min(performance.now() + resyncMs, leaseRenewedAt + leaseRenewIntervalMs);
  }

  async #sync(): Promise<void> {
    const { disk } = this.#options;
    const view = await this.#api.read(disk.state().published);
    if (view.node !== undefined) this.#memory = { ...this.#memory, registered: true };
    const containers = await this.#options.runtime.list();
    const known = new Set(view.pods.map(({ pod }) => pod.metadata.uid));
    if (view.synced) disk.sweep(known);
    const workloads = containers.map(({ podUid }) => ({ podUid, state: 'running' as const }));
    const machine = { ...disk.state(), workloads };
    const actions = decideKubelet(
      { ...this.#self(view), machine },
      performance.now(),
      this.#options.settings,
    );
    for (const action of actions) {
      if (this.#busy.has(action.key)) continue;
      this.#busy.add(action.key);
      void this.#perform(action)
        .catch((error: unknown) => this.#log(`${action.kind} ${action.key}`, error))
        .finally(() => {
          this.#busy.delete(action.key);
          this.#stale = true;
        });
    }
  }

  #self(view: ApiView): Omit<KubeletView, 'machine'> {
    const now = new Date().toISOString();
    const { nodeName, labels, bootId, drivers } = this.#options;
    const plugins = new Map(
      [...drivers].map(
        ([name, { socket }]) => [name, existsSync(socket) ? 'here' : 'gone'] as const,
      ),
    );
    return {
      ...view,
      nodeName,
      labels,
      bootId,
      // The driver's registration says both; the plugin's id is the machine's name here.
      drivers: [...drivers.keys()]
        .filter((name) => plugins.get(name) === 'here')
        .map((name) => ({ name, nodeId: nodeName })),
      plugins,
      shuttingDown: this.#shuttingDown,
      memory: this.#memory,
      timestamp: `${now.slice(0, 19)}Z`,
      microTimestamp: `${now.slice(0, 23)}000Z`,
    };
  }

  async #perform(action: KubeletAction): Promise<void> {
    const { api, nodeName: name, runtime } = this.#options;
    const lease = { namespace: 'kube-node-lease', name };
    switch (action.kind) {
      case 'createNode':
        expect(await api.create('nodes', action.object));
        break;
      case 'createCsiNode':
        expect(await api.create('csinodes', action.object));
        break;
      case 'updateCsiNode':
        this.#api.forgetCsiNode();
        expect(await api.update('csinodes', action.object));
        break;
      case 'createLease':
        expect(await api.create('leases', action.object));
        this.#remember('leaseRenewedAt');
        break;
      case 'renewLease':
        await this.#renew(await api.patch('leases', lease, action.body));
        break;
      case 'patchNodeStatus':
        expect(await api.patch('nodes', { name, subresource: 'status' }, action.body));
        this.#remember('statusPostedAt');
        break;
      case 'patchPodStatus':
        expect(
          await api.patch('pods', { ...placeOf(action.pod), subresource: 'status' }, action.body),
        );
        break;
      case 'deletePod':
        expect(
          await api.delete('pods', placeOf(action.pod), {
            uid: action.pod.metadata.uid,
            gracePeriodSeconds: 0,
          }),
        );
        break;
      case 'startWorkload':
        await runtime.start({
          podUid: action.pod.metadata.uid,
          slot: slotOf(action.pod),
          mounts: action.volumes.map(({ pv }) =>
            this.#options.disk.targetPath(action.pod.metadata.uid, pv),
          ),
        });
        break;
      case 'stopWorkload':
        await runtime.stop(action.podUid);
        break;
      case 'stage':
      case 'publish':
      case 'unpublish':
      case 'unstage':
        await this.#mount(action);
        break;
    }
  }

  async #mount(
    action: Extract<KubeletAction, { kind: 'stage' | 'publish' | 'unpublish' | 'unstage' }>,
  ): Promise<void> {
    const { drivers, disk, nodeName } = this.#options;
    const { csi } = drivers.get(action.volume.driver) ?? {};
    if (csi === undefined) throw new Error(`no driver ${action.volume.driver} has registered`);
    const volume_id = action.volume.handle;
    const staging_target_path = disk.stagingPath(action.volume);
    switch (action.kind) {
      case 'stage':
        disk.noteStaged(action.volume);
        await csi.call('NodeStageVolume', { volume_id, staging_target_path }, csiDeadlineMs);
        break;
      case 'publish': {
        const { pod, volume } = action;
        const { uid } = pod.metadata;
        const target_path = disk.targetPath(uid, volume.pv);
        const attachment = attachmentName(volume.handle, volume.driver, nodeName);
        disk.notePublished(volume, { podUid: uid, nodeName, attachment });
        const request = { volume_id, staging_target_path, target_path };
        await csi.call('NodePublishVolume', request, csiDeadlineMs);
        break;
      }
      case 'unpublish': {
        const target_path = disk.publishedAt(action.podUid, action.volume);
        if (target_path === undefined) break;
        await csi.call('NodeUnpublishVolume', { volume_id, target_path }, csiDeadlineMs);
        disk.forget(target_path);
        break;
      }
      case 'unstage':
        await csi.call('NodeUnstageVolume', { volume_id, staging_target_path }, csiDeadlineMs);
        disk.forget(staging_target_path);
        break;
    }
  }

  /** A Lease that somebody deleted is created again. */
  #renew(answer: ApiAnswer<unknown>): Promise<void> {
    if (answer.status === 404) this.#api.forgetLease();
    expect(answer);
    this.#remember('leaseRenewedAt');
    return Promise.resolve();
  }

  #remember(what: 'leaseRenewedAt' | 'statusPostedAt'): void {
    this.#memory = { ...this.#memory, [what]: performance.now() };
  }

  #log(what: string, error: unknown): void {
    this.#options.log(`${what}: ${Error.isError(error) ? error.message : String(error)}`);
  }
}

/**
 * The place that the pod fills, whichever pod does: a StatefulSet's pod keeps its name, the others
 * are told by their label `app`.
 */
export function slotOf(pod: Pod): string {
  const { namespace = '', name, labels = {}, ownerReferences = [] } = pod.metadata;
  const stateful = ownerReferences.some((owner) => owner.kind === 'StatefulSet');
  return `${namespace}/${stateful ? name : (labels['app'] ?? name)}`;
}

function placeOf(pod: Pod): { readonly namespace: string; readonly name: string } {
  return { namespace: pod.metadata.namespace ?? '', name: pod.metadata.name };
}

function expect(answer: ApiAnswer<unknown>): void {
  if (answer.status < 200 || answer.status >= 300) {
    throw new Error(`${answer.status} ${answer.message}`);
  }
}
