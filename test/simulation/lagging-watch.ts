/** The watches of one replica: each collection lags on its own and may stall, break or go on. */
import type { JsonObject } from '../../src/shared/effect.ts';
import {
  attachmentView,
  claimView,
  configMapView,
  csiDriverView,
  csiNodeView,
  leaseView,
  namespaceView,
  nodeView,
  pvView,
} from '../../src/shared/kubernetes/convert.ts';
import { podView } from '../../src/shared/kubernetes/convert-pod.ts';
import { parseLabelSelector } from '../../src/shared/label-selector.ts';
import type { View } from '../../src/shared/model.ts';
import { driverLabel } from '../../src/shared/names.ts';
import type { WatchFact } from '../../src/shared/watch-fact.ts';
import type { SourceName } from '../../src/controller-mode/facts.ts';
import type { ResourceName } from '../model/objects.ts';
import type { Store } from '../model/store.ts';
import type { Prng } from './prng.ts';

const enabled = parseLabelSelector('csi-failover.io/enabled=true');
const selectors = enabled.kind === 'Selector' ? [enabled.selector] : [];

interface Watched {
  readonly resource: ResourceName;
  readonly project: (json: JsonObject) => View;
  readonly wants?: (json: JsonObject) => boolean;
}

const metadata = (json: JsonObject): JsonObject => (json.metadata ?? {}) as JsonObject;

const watched: Readonly<Record<SourceName, Watched>> = {
  nodes: { resource: 'nodes', project: nodeView },
  pods: { resource: 'pods', project: (json) => podView(json, selectors) },
  claims: { resource: 'persistentvolumeclaims', project: claimView },
  pvs: { resource: 'persistentvolumes', project: pvView },
  attachments: { resource: 'volumeattachments', project: attachmentView },
  csinodes: { resource: 'csinodes', project: csiNodeView },
  csidrivers: { resource: 'csidrivers', project: csiDriverView },
  namespaces: { resource: 'namespaces', project: namespaceView },
  configmaps: { resource: 'configmaps', project: configMapView },
  kubeletLeases: {
    resource: 'leases',
    project: leaseView,
    wants: (json) => metadata(json).namespace === 'kube-node-lease',
  },
  heartbeats: {
    resource: 'leases',
    project: leaseView,
    wants: (json) => ((metadata(json).labels ?? {}) as JsonObject)[driverLabel] !== undefined,
  },
};

/** Bookmarks come about once a minute. */
const bookmarkMs = 60_000;

export class LaggingWatch {
  readonly #source: SourceName;
  readonly #store: Store;
  readonly #prng: Prng;
  readonly #post: (fact: WatchFact) => void;
  #seen = 0;
  #synced = false;
  #nextAt = 0;
  #bookmarkAt = 0;
  #stalledUntil = 0;
  #brokenUntil: number | undefined;

  constructor(
    source: SourceName,
    options: { store: Store; prng: Prng; post: (fact: WatchFact) => void },
  ) {
    this.#source = source;
    this.#store = options.store;
    this.#prng = options.prng;
    this.#post = options.post;
  }

  static all(options: {
    store: Store;
    prng: Prng;
    post: (fact: WatchFact) => void;
  }): LaggingWatch[] {
    return Object.keys(watched).map((source) => {
      const prng = options.prng.fork();
      return new LaggingWatch(source as SourceName, { ...options, prng });
    });
  }

  /** Connected but silent: nobody is told. */
  stall(until: number): void {
    this.#stalledUntil = until;
  }

  /** Broken, and told so; afterwards it goes on or lists again. */
  break(until: number): void {
    if (!this.#synced || this.#brokenUntil !== undefined) return;
    this.#brokenUntil = until;
    this.#post({ kind: 'WatchLost', source: this.#source, reason: 'simulated' });
  }

  step(now: number): void {
    if (now < this.#nextAt || now < this.#stalledUntil) return;
    this.#nextAt = now + (this.#prng.chance(0.2) ? this.#prng.between(100, 800) : 100);
    if (this.#brokenUntil !== undefined) {
      if (now < this.#brokenUntil) return;
      this.#brokenUntil = undefined;
      if (this.#prng.chance(0.5)) this.#synced = false;
      else this.#post({ kind: 'WatchResumed', source: this.#source });
    }
    if (this.#synced) this.#deliver(now);
    else this.#list(now);
  }

  #list(now: number): void {
    const { resource, project, wants } = watched[this.#source];
    const items = this.#store.all(resource) as unknown as readonly JsonObject[];
    const objects = items.filter((json) => wants?.(json) ?? true).map(project);
    this.#seen = this.#store.resourceVersion;
    this.#synced = true;
    this.#bookmarkAt = now + bookmarkMs;
    this.#post({ kind: 'Replaced', source: this.#source, objects });
  }

  #deliver(now: number): void {
    const { resource, project, wants } = watched[this.#source];
    const answer = this.#store.eventsSince(this.#seen, resource);
    if (!answer.ok) {
      this.#synced = false;
      return;
    }
    for (const event of answer.events) {
      this.#seen = event.rv;
      const json = event.object as unknown as JsonObject;
      if (wants !== undefined && !wants(json)) continue;
      const view = project(json);
      const { namespace, name, uid } = view;
      const removed = { kind: 'Removed', source: this.#source, namespace, name, uid } as const;
      this.#post(
        event.type === 'DELETED'
          ? removed
          : { kind: 'Upserted', source: this.#source, object: view },
      );
    }
    if (now < this.#bookmarkAt) return;
    this.#bookmarkAt = now + bookmarkMs;
    this.#post({ kind: 'WatchAlive', source: this.#source });
  }
}
