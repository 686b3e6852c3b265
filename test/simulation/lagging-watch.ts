/**
 * The watches of one replica: each collection lags on its own, so that what happened to two kinds
 * arrives in any order; each may stall, break, and go on or list again.
 */
import type { SourceName } from '../../src/controller-mode/facts.ts';
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
import type { AnyObject, ResourceName } from '../model/objects.ts';
import type { Version } from '../model/store.ts';
import { Table } from '../model/table.ts';
import type { Api } from './api.ts';
import type { Party } from './network.ts';
import type { Prng } from './prng.ts';

const enabled = parseLabelSelector('csi-failover.io/enabled=true');
const selectors = enabled.kind === 'Selector' ? [enabled.selector] : [];

interface Watched {
  readonly resource: ResourceName;
  readonly project: (json: JsonObject) => View;
  readonly wants?: (object: AnyObject, driver: string) => boolean;
}

const watched: Readonly<Record<SourceName, Watched>> = {
  nodes: { resource: 'nodes', project: nodeView },
  pods: { resource: 'pods', project: (json) => podView(json, selectors) },
  claims: { resource: 'persistentvolumeclaims', project: claimView },
  pvs: { resource: 'persistentvolumes', project: pvView },
  attachments: { resource: 'volumeattachments', project: attachmentView },
  csinodes: { resource: 'csinodes', project: csiNodeView },
  csidrivers: {
    resource: 'csidrivers',
    project: csiDriverView,
    wants: ({ metadata }, driver) => metadata.name === driver,
  },
  namespaces: { resource: 'namespaces', project: namespaceView },
  configmaps: { resource: 'configmaps', project: configMapView },
  kubeletLeases: {
    resource: 'leases',
    project: leaseView,
    wants: ({ metadata }) => metadata.namespace === 'kube-node-lease',
  },
  heartbeats: {
    resource: 'leases',
    project: leaseView,
    wants: ({ metadata }, driver) => metadata.labels?.[driverLabel] === driver,
  },
};

/** Objects never change, so each is converted once, for all replicas of its world. */
function viewOf(
  views: Map<AnyObject, View>,
  object: AnyObject,
  project: (json: JsonObject) => View,
): View {
  let view = views.get(object);
  if (view === undefined) {
    view = project(object as unknown as JsonObject);
    views.set(object, view);
  }
  return view;
}

/** Bookmarks come about once a minute. */
const bookmarkMs = 60_000;
/** Without any life for so long all streams are opened anew (sources.ts, transport.ts). */
const silenceMs = 20_000;

export interface WatchOptions {
  readonly api: Api;
  readonly party: Party;
  readonly driver: string;
  readonly prng: Prng;
  /** How late an event may be at most, if nothing is wrong. */
  readonly lagMs: number;
  readonly post: (fact: WatchFact) => void;
}

/**
 * How things stand between the API server and one replica, the same for all its watches. `calm`:
 * nothing is wrong anywhere. `mute`: what the server sends arrives, but nobody can ask it.
 */
export type Link = 'calm' | 'open' | 'mute' | 'cut' | 'refused';

export function linkOf({ state, network }: Api, party: Party): Link {
  if (state === 'up' && network.isQuiet) return 'calm';
  if (state === 'refusing') return 'refused';
  if (network.isCut('api', party)) return 'cut';
  return state === 'up' && !network.isCut(party, 'api') ? 'open' : 'mute';
}

export class LaggingWatch {
  readonly source: SourceName;
  /** What has arrived so far, as the API server sent it. */
  readonly delivered = new Table();
  readonly #options: WatchOptions;
  readonly #watched: Watched;
  readonly #newest: Version;
  #seen = 0;
  #version = -1;
  #synced = false;
  #nextAt = 0;
  #heardAt = 0;
  #bookmarkAt = 0;
  #stalledUntil = 0;
  #cutSince: number | undefined;
  #brokenUntil: number | undefined;

  constructor(source: SourceName, options: WatchOptions) {
    this.source = source;
    this.#options = options;
    this.#watched = watched[source];
    this.#newest = options.api.store.versionOf(this.#watched.resource);
  }

  static all(options: WatchOptions): LaggingWatch[] {
    return Object.keys(watched).map(
      (source) => new LaggingWatch(source as SourceName, { ...options, prng: options.prng.fork() }),
    );
  }

  /** Connected but silent: nobody is told. */
  stall(until: number): void {
    this.#stalledUntil = Math.max(until, this.#stalledUntil);
  }

  /** Broken, and told so; afterwards it goes on or lists again. */
  break(until: number): void {
    if (!this.#synced || this.#brokenUntil !== undefined) return;
    this.#brokenUntil = until;
    this.#options.post({ kind: 'WatchLost', source: this.source, reason: 'simulated' });
  }

  /** It is broken, and whoever listens was told so. */
  get isBroken(): boolean {
    return this.#brokenUntil !== undefined;
  }

  /** When it brought anything at all. */
  get heardAt(): number {
    return this.#heardAt;
  }

  heal(): void {
    this.#stalledUntil = 0;
  }

  /** When it will have something to do, if nothing happens before. */
  get nextAt(): number {
    const pending = !this.#synced || this.#brokenUntil !== undefined;
    const news = this.#newest.newest !== this.#version;
    return pending || news ? Math.max(this.#nextAt, this.#stalledUntil) : this.#bookmarkAt;
  }

  /** Until when nothing comes of a step, if nothing happens before and nothing is wrong. */
  get restsUntil(): number {
    return this.#cutSince === undefined ? this.nextAt : 0;
  }

  step(now: number, link: Link): void {
    if (now < this.#nextAt || now < this.#stalledUntil) return;
    if ((link === 'calm' || link === 'open') && this.#isAtRest(now)) return;
    if (!this.#isOpen(now, link)) return;
    if (this.#brokenUntil !== undefined) {
      if (now < this.#brokenUntil) return;
      this.#brokenUntil = undefined;
      this.#heardAt = now;
      if (this.#options.prng.chance(0.5)) this.#synced = false;
      else this.#options.post({ kind: 'WatchResumed', source: this.source });
    }
    if (this.#synced) this.#deliver(now);
    else this.#list(now);
  }

  /** Nothing new, and nothing wrong: so it is in most steps. */
  #isAtRest(now: number): boolean {
    if (!this.#synced || this.#brokenUntil !== undefined) return false;
    if (this.#newest.newest !== this.#version || now >= this.#bookmarkAt) return false;
    this.#cutSince = undefined;
    return true;
  }

  /** A cut is silent at first; whoever refuses connections is noticed at once. */
  #isOpen(now: number, link: Link): boolean {
    switch (link) {
      case 'refused':
        this.break(now + 100);
        return false;
      case 'cut':
        this.#cutSince ??= now;
        if (now - this.#cutSince >= silenceMs) this.break(now + 100);
        return false;
      case 'calm':
      case 'open':
      case 'mute':
        this.#cutSince = undefined;
        // Nobody lists or resumes without being able to ask.
        return link !== 'mute' || (this.#synced && this.#brokenUntil === undefined);
    }
  }

  #list(now: number): void {
    const { api, driver, post } = this.#options;
    const { resource, project, wants } = this.#watched;
    const items = api.store.all(resource).filter((object) => wants?.(object, driver) ?? true);
    this.delivered.clear();
    for (const object of items) this.delivered.put(object);
    this.#seen = api.store.resourceVersion;
    this.#synced = true;
    this.#bookmarkAt = now + bookmarkMs;
    this.#heardAt = now;
    const objects = items.map((object) => viewOf(api.views, object, project));
    post({ kind: 'Replaced', source: this.source, objects });
  }

  #deliver(now: number): void {
    const { api, post } = this.#options;
    const { resource } = this.#watched;
    const version = this.#newest.newest;
    if (version !== this.#version) {
      this.#version = version;
      this.#lag(now);
      const answer = api.store.eventsSince(this.#seen, resource);
      if (!answer.ok) {
        this.#synced = false;
        return;
      }
      for (const event of answer.events) {
        if (this.#pass(event.type, event.object)) this.#heardAt = now;
      }
      this.#seen = answer.events.at(-1)?.rv ?? this.#seen;
    }
    if (now < this.#bookmarkAt) return;
    this.#bookmarkAt = now + bookmarkMs;
    this.#heardAt = now;
    post({ kind: 'WatchAlive', source: this.source });
  }

  /** How long the next changes will take to arrive. */
  #lag(now: number): void {
    const { prng, lagMs } = this.#options;
    this.#nextAt = now + (prng.chance(0.2) ? prng.between(100, lagMs) : 100);
  }

  #pass(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: AnyObject): boolean {
    const { api, driver, post } = this.#options;
    const { project, wants } = this.#watched;
    if (wants !== undefined && !wants(object, driver)) return false;
    const { source } = this;
    if (type === 'DELETED') {
      const { namespace = '', name, uid } = object.metadata;
      this.delivered.remove(object);
      post({ kind: 'Removed', source, namespace, name, uid });
      return true;
    }
    this.delivered.put(object);
    post({ kind: 'Upserted', source, object: viewOf(api.views, object, project) });
    return true;
  }
}
