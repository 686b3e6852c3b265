import type { Clock } from '../clock.ts';
import type { JsonObject } from '../effect.ts';
import type { Logger } from '../log.ts';
import { keyOf, type View } from '../model.ts';
import type { WatchFact } from '../watch-fact.ts';
import { describe } from './http-message.ts';
import { KnownObjects } from './known-objects.ts';
import { listAll } from './paged-list.ts';
import { defaultReflectorSettings, type ReflectorSettings } from './reflector-settings.ts';
import type { Transport } from './transport.ts';
import type { ObjectJson } from './watch-event.ts';
import { firstPlan, planAfter, type StepEnd, type StepResult } from './watch-plan.ts';
import { type DeliveredEvent, watchSession } from './watch-session.ts';

export interface ReflectorOptions<V extends View> {
  readonly transport: Pick<Transport, 'request' | 'stream'>;
  /** The collection, see collectionPath. */
  readonly path: string;
  /** labelSelector and fieldSelector, if any. */
  readonly query?: Readonly<Record<string, string>>;
  /** What the facts call it. */
  readonly source: string;
  /** Keeps what we read of an object; undefined: the object does not interest us. */
  readonly project: (json: JsonObject) => V | undefined;
  readonly post: (fact: WatchFact<V>) => void;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  readonly settings?: Partial<ReflectorSettings>;
  /** In place of the setting, where the collection has a rhythm of its own. */
  readonly silenceMs?: () => number;
  /** An open stream fell silent; others on the same way may have, too. */
  readonly onSilence?: () => void;
}

/**
 * Tells what one collection of the API contains and how it changes, as facts, for as long as it
 * runs: watch-list (KEP-3157), or paged list and watch where the server does not know that. What
 * breaks is told at once and mended for ever; an object is projected when it arrives and then
 * forgotten, but for its uid and resourceVersion.
 */
export class Reflector<V extends View> {
  readonly #options: ReflectorOptions<V>;
  readonly #settings: ReflectorSettings;
  readonly #known: KnownObjects<V>;
  readonly #stopped = new AbortController();
  #started = false;
  /** From where a watch can go on; undefined until a list is complete. */
  #resourceVersion: string | undefined;
  #lost = false;
  #cancelResume = (): void => {};

  constructor(options: ReflectorOptions<V>) {
    this.#options = options;
    this.#settings = { ...defaultReflectorSettings, ...options.settings };
    this.#known = new KnownObjects(options.source);
  }

  start(): void {
    if (this.#started) return;
    this.#started = true;
    void this.#run();
  }

  /** No fact is posted any more when it returns. */
  stop(): void {
    this.#cancelResume();
    this.#stopped.abort();
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#options;
    const { signal } = this.#stopped;
    for (let plan = firstPlan; !signal.aborted; ) {
      const result = await (plan.step === 'List' ? this.#list() : this.#watch(plan.step));
      if (signal.aborted) return;
      plan = planAfter(plan, result, this.#settings.backoff, random);
      this.#tellEnd(result);
      if (result.end.kind === 'Broken' && result.end.silent) this.#options.onSilence?.();
      if (plan.step !== 'Watch') this.#resourceVersion = undefined;
      if (plan.delayMs > 0) await clock.sleep(plan.delayMs, signal);
    }
  }

  /** An orderly end is not a loss, if the watch is open again soon. */
  #tellEnd({ end, synced }: StepResult): void {
    const { clock, log, source } = this.#options;
    if (end.kind === 'Listed') return;
    if (end.kind === 'Unsupported') {
      log.info({ source, reason: end.reason }, 'no watch-list, listing in pages');
    } else if (end.kind === 'Ended' && synced) {
      this.#cancelResume = clock.after(this.#settings.resumeMs, () =>
        this.#lose('the watch was not resumed in time'),
      );
    } else {
      this.#lose(end.kind === 'Ended' ? 'ended before the list was complete' : end.reason);
    }
  }

  async #list(): Promise<StepResult> {
    const { transport, path, query = {} } = this.#options;
    const listing = await listAll({
      transport,
      path,
      query,
      pageSize: this.#settings.pageSize,
      deadlineMs: this.#settings.listMs,
      project: (json) => this.#project(json),
      signal: this.#stopped.signal,
    });
    const result = { livedMs: 0, delivered: 0 };
    if (listing.kind === 'Failed') return { ...result, end: listing.end, synced: false };
    this.#replace(listing.objects, listing.resourceVersion);
    return { ...result, end: { kind: 'Listed' }, synced: true };
  }

  async #watch(step: 'WatchList' | 'Watch'): Promise<StepResult> {
    const { clock, transport, path } = this.#options;
    const { openMs, initialMs } = this.#settings;
    const initial = step === 'WatchList' ? new Map<string, V>() : undefined;
    let openedAt: number | undefined;
    let delivered = 0;
    const end: StepEnd = await watchSession({
      transport,
      path,
      query: this.#watchQuery(step),
      clock,
      openMs,
      silenceMs: this.#options.silenceMs ?? (() => this.#settings.silenceMs),
      initialMs: step === 'WatchList' ? initialMs : undefined,
      signal: this.#stopped.signal,
      onOpen: () => {
        openedAt = clock.now();
        if (step === 'Watch') this.#resumed();
      },
      onEvent: (event) => {
        if (this.#resourceVersion === undefined && initial !== undefined) {
          this.#collect(initial, event);
        } else {
          delivered += this.#deliver(event);
        }
      },
    });
    const livedMs = openedAt === undefined ? 0 : clock.now() - openedAt;
    return { end, livedMs, delivered, synced: this.#resourceVersion !== undefined };
  }

  #watchQuery(step: 'WatchList' | 'Watch'): Record<string, string | undefined> {
    const { query, random } = this.#options;
    const seconds = Math.ceil((this.#settings.watchMs * (1 + random())) / 1000);
    return {
      ...query,
      watch: 'true',
      allowWatchBookmarks: 'true',
      timeoutSeconds: String(seconds),
      ...(step === 'WatchList'
        ? { sendInitialEvents: 'true', resourceVersionMatch: 'NotOlderThan' }
        : { resourceVersion: this.#resourceVersion }),
    };
  }

  /** The initial events of a watch-list become one fact when the bookmark ends them. */
  #collect(initial: Map<string, V>, event: DeliveredEvent): void {
    if (event.kind === 'Bookmark') {
      if (event.initialEventsEnd) this.#replace([...initial.values()], event.resourceVersion);
      return;
    }
    const key = keyOf(event.object);
    const view = event.kind === 'Changed' ? this.#project(event.object.json) : undefined;
    if (view !== undefined) initial.set(key, view);
    else initial.delete(key);
  }

  /** Returns how many facts about objects were posted. */
  #deliver(event: DeliveredEvent): number {
    if (event.kind === 'Bookmark') {
      this.#resourceVersion = event.resourceVersion;
      this.#post({ kind: 'WatchAlive', source: this.#options.source });
      return 0;
    }
    this.#resourceVersion = event.object.resourceVersion;
    const facts = this.#factsOf(event.kind, event.object);
    for (const fact of facts) this.#post(fact);
    return facts.length;
  }

  #factsOf(kind: 'Changed' | 'Deleted', object: ObjectJson): readonly WatchFact<V>[] {
    return kind === 'Deleted'
      ? this.#known.deleted(object)
      : this.#known.changed(object, this.#project(object.json));
  }

  #replace(objects: readonly V[], resourceVersion: string): void {
    this.#resourceVersion = resourceVersion;
    this.#lost = false;
    this.#known.replace(objects);
    this.#post({ kind: 'Replaced', source: this.#options.source, objects });
  }

  #resumed(): void {
    this.#cancelResume();
    const kind = this.#lost ? 'WatchResumed' : 'WatchAlive';
    this.#lost = false;
    this.#post({ kind, source: this.#options.source });
  }

  #lose(reason: string): void {
    const { source, log } = this.#options;
    this.#cancelResume();
    if (this.#lost) return;
    this.#lost = true;
    log.warn({ source, reason }, 'watch lost');
    this.#post({ kind: 'WatchLost', source, reason });
  }

  /** A mistake of ours in one object must not blind us for all others. */
  #project(json: JsonObject): V | undefined {
    const { project, log, source } = this.#options;
    try {
      return project(json);
    } catch (error) {
      log.error({ source, error: describe(error) }, 'an object could not be read');
      return undefined;
    }
  }

  #post(fact: WatchFact<V>): void {
    const { post, log, source } = this.#options;
    if (this.#stopped.signal.aborted) return;
    try {
      post(fact);
    } catch (error) {
      log.error({ source, fact: fact.kind, error: describe(error) }, 'a fact was not taken');
    }
  }
}
