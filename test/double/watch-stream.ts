/** One open watch: lines of JSON, as the watch cache of the API server would send them. */
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../src/shared/effect.ts';
import type { StoreEvent } from '../model/event-log.ts';
import { type AnyObject, apiVersionOf, kindOf } from '../model/objects.ts';
import { type Matcher, matcher } from '../model/selection.ts';
import type { Store } from '../model/store.ts';
import { shown, statusObject } from './api-request.ts';
import { eventsGroup } from './event-form.ts';
import { selectionOf } from './pages.ts';
import type { ApiPath } from './request-path.ts';

export interface WatchOptions {
  readonly store: Store;
  readonly path: ApiPath;
  readonly query: URLSearchParams;
  readonly response: ServerResponse;
  /** Every this many milliseconds a bookmark, if the client allows them. */
  readonly bookmarkIntervalMs: number;
  readonly onEnd: () => void;
}

/** Objects are frozen and go to many watches: each is written out once. */
const written = new WeakMap<AnyObject, string>();

function jsonOf(path: ApiPath, object: AnyObject): string {
  if (path.group === eventsGroup) return JSON.stringify(shown(path, object));
  let json = written.get(object);
  if (json === undefined) {
    json = JSON.stringify(object);
    written.set(object, json);
  }
  return json;
}

const initialEventsEnd = { 'k8s.io/initial-events-end': 'true' };

export class WatchStream {
  readonly #options: WatchOptions;
  readonly #matches: Matcher;
  #unsubscribe: () => void = () => {};
  #bookmarks: NodeJS.Timeout | undefined;
  #timeout: NodeJS.Timeout | undefined;
  #silent = false;
  #ended = false;

  /** Throws for a malformed selector. */
  constructor(options: WatchOptions) {
    this.#options = options;
    this.#matches = matcher(selectionOf(options.path, options.query));
  }

  start(): void {
    const { store, path, query, response, bookmarkIntervalMs } = this.#options;
    response.writeHead(200, { 'content-type': 'application/json' });
    response.flushHeaders();
    response.on('close', () => this.#stop());
    const since = query.get('resourceVersion') ?? '';
    const initial = query.get('sendInitialEvents') === 'true';
    if (initial || since === '' || since === '0') this.#sendExisting(initial);
    else if (!this.#sendSince(Number(since))) return;
    this.#unsubscribe = store.subscribe((event) => {
      if (event.resource === path.resource) this.#sendChange(event);
    });
    if (query.get('allowWatchBookmarks') === 'true') {
      this.#bookmarks = setInterval(() => this.#sendBookmark(), bookmarkIntervalMs);
    }
    const seconds = Number(query.get('timeoutSeconds') ?? '0');
    if (seconds > 0) this.#timeout = setTimeout(() => this.end(), seconds * 1000);
  }

  /** Ends as a server ends a watch: an orderly end of the response. */
  end(): void {
    this.#stop();
    this.#options.response.end();
  }

  /** Breaks the connection. */
  drop(): void {
    this.#stop();
    this.#options.response.destroy();
  }

  /** From now on nothing comes, but the connection stays: a half-open one. */
  silence(): void {
    this.#silent = true;
  }

  /** Writes something that is no watch event, or an event of the caller's making. */
  inject(line: string): void {
    this.#options.response.write(line);
  }

  #sendExisting(withMark: boolean): void {
    const { store, path } = this.#options;
    for (const object of store.list(path.resource).items) {
      if (this.#matches(object)) this.#sendObject('ADDED', object);
    }
    if (withMark) this.#sendBookmark(initialEventsEnd);
  }

  /** False: too old; the client was told and the stream ended. */
  #sendSince(rv: number): boolean {
    const { store, path } = this.#options;
    const answer = store.eventsSince(rv, path.resource);
    if (answer.ok) {
      for (const event of answer.events) this.#sendChange(event);
      return true;
    }
    const { status, reason, message } = answer;
    this.#send({ type: 'ERROR', object: statusObject(status, reason, message) });
    this.end();
    return false;
  }

  /** An object that enters or leaves the selection looks created or deleted to this watch. */
  #sendChange(event: StoreEvent): void {
    const before = event.old !== undefined && this.#matches(event.old);
    const after = event.type !== 'DELETED' && this.#matches(event.object);
    if (after) this.#sendObject(before ? 'MODIFIED' : 'ADDED', event.object);
    else if (before && event.old !== undefined) {
      const { resourceVersion } = event.object.metadata;
      const metadata = { ...event.old.metadata, resourceVersion };
      const last = event.type === 'DELETED' ? event.object : { ...event.old, metadata };
      this.#sendObject('DELETED', last as AnyObject);
    }
  }

  #sendObject(type: string, object: AnyObject): void {
    const json = jsonOf(this.#options.path, object);
    this.#write(`{"type":"${type}","object":${json}}\n`);
  }

  #sendBookmark(annotations?: Readonly<Record<string, string>>): void {
    const { store, path } = this.#options;
    const metadata = {
      resourceVersion: String(store.resourceVersion),
      creationTimestamp: null,
      annotations,
    };
    const { kind } = kindOf(path.resource);
    const apiVersion = apiVersionOf(path.resource);
    this.#send({ type: 'BOOKMARK', object: { kind, apiVersion, metadata } });
  }

  #send(event: JsonObject): void {
    this.#write(`${JSON.stringify(event)}\n`);
  }

  #write(line: string): void {
    if (!this.#silent && !this.#ended) this.#options.response.write(line);
  }

  #stop(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#unsubscribe();
    clearInterval(this.#bookmarks);
    clearTimeout(this.#timeout);
    this.#options.onEnd();
  }
}
