import { leaseView } from '../../../../src/shared/kubernetes/convert.ts';
import { Reflector, type ReflectorOptions } from '../../../../src/shared/kubernetes/reflector.ts';
import type { ReflectorSettings } from '../../../../src/shared/kubernetes/reflector-settings.ts';
import type { LeaseView } from '../../../../src/shared/model.ts';
import { systemClock } from '../../../../src/shared/system-clock.ts';
import type { WatchFact } from '../../../../src/shared/watch-fact.ts';
import { silentLog } from '../../../silent-log.ts';
import { type Call, type Handler, reply, type ScriptedServer, serve } from './api-server.ts';
import { until } from '../../../until.ts';

const path = '/apis/coordination.k8s.io/v1/leases';

const quick: Partial<ReflectorSettings> = {
  openMs: 1000,
  silenceMs: 2000,
  initialMs: 1000,
  listMs: 1000,
  resumeMs: 300,
  backoff: { minMs: 10, maxMs: 50, goodAfterMs: 10_000 },
};

export interface Bench extends AsyncDisposable {
  readonly api: ScriptedServer;
  readonly reflector: Reflector<LeaseView>;
  /** All facts so far, each as one line. */
  readonly facts: readonly string[];
  /** Waits until the last of these facts has come, and gives all. */
  expectFacts(count: number): Promise<readonly string[]>;
}

/** A reflector of Leases that runs against a scripted server. */
export async function bench(
  handler: Handler,
  settings: Partial<ReflectorSettings> = {},
  options: Partial<ReflectorOptions<LeaseView>> = {},
): Promise<Bench> {
  const api = await serve(handler);
  const facts: string[] = [];
  const reflector = new Reflector<LeaseView>({
    transport: api.transport(),
    path,
    source: 'leases',
    project: leaseView,
    post: (fact) => facts.push(lineOf(fact)),
    clock: systemClock,
    random: () => 0,
    log: silentLog,
    settings: { ...quick, ...settings },
    ...options,
  });
  reflector.start();
  return {
    api,
    reflector,
    facts,
    expectFacts: async (count) => {
      await until(() => facts.length >= count);
      return facts;
    },
    [Symbol.asyncDispose]: async () => {
      reflector.stop();
      await api[Symbol.asyncDispose]();
    },
  };
}

export function lineOf(fact: WatchFact<LeaseView>): string {
  switch (fact.kind) {
    case 'Replaced':
      return `Replaced ${fact.objects.map(({ name, uid }) => `${name}/${uid}`).join(' ')}`.trim();
    case 'Upserted':
      return `Upserted ${fact.object.name}/${fact.object.uid}@${fact.object.resourceVersion}`;
    case 'Removed':
      return `Removed ${fact.name}/${fact.uid}`;
    case 'WatchAlive':
    case 'WatchLost':
    case 'WatchResumed':
      return fact.kind;
    default:
      throw new Error('no such fact');
  }
}

export function lease(name: string, uid: string, resourceVersion: string): object {
  return { metadata: { namespace: 'ns', name, uid, resourceVersion }, spec: {} };
}

export function isWatchList(call: Call): boolean {
  return call.query.get('sendInitialEvents') === 'true';
}

export function isWatch(call: Call): boolean {
  return call.query.get('watch') === 'true' && !isWatchList(call);
}

/** Opens a watch and writes these events; the stream stays open. */
export function stream(call: Call, events: readonly (object | string)[] = []): void {
  if (!call.response.headersSent) {
    call.response.writeHead(200, { 'content-type': 'application/json' });
    call.response.flushHeaders();
  }
  for (const event of events) {
    call.response.write(`${typeof event === 'string' ? event : JSON.stringify(event)}\n`);
  }
}

export const added = (object: object): object => ({ type: 'ADDED', object });
export const modified = (object: object): object => ({ type: 'MODIFIED', object });
export const deleted = (object: object): object => ({ type: 'DELETED', object });

export function bookmark(resourceVersion: string, initialEnd = false): object {
  const annotations = initialEnd ? { 'k8s.io/initial-events-end': 'true' } : {};
  return { type: 'BOOKMARK', object: { metadata: { resourceVersion, annotations } } };
}

export function listReply(
  call: Call,
  items: readonly object[],
  resourceVersion: string,
  token = '',
): void {
  reply(call, 200, { kind: 'LeaseList', metadata: { resourceVersion, continue: token }, items });
}
