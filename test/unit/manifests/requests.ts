/**
 * What each mode really asks of the Kubernetes API, learnt by running the code that asks: every
 * watch, every action under every turn that a cluster can give it, both leases and the recorder.
 * A right that is missing in manifests/ and one that nobody needs both show by this.
 */
import { act } from '../../../src/controller-mode/act.ts';
import type { Action } from '../../../src/controller-mode/actions.ts';
import { createReflectors } from '../../../src/controller-mode/sources.ts';
import { createHeartbeat } from '../../../src/node-mode/act.ts';
import type { Effect, JsonObject, KubernetesEffect, Reply } from '../../../src/shared/effect.ts';
import { performKubernetes } from '../../../src/shared/kubernetes/client.ts';
import type { HttpReply, HttpRequest } from '../../../src/shared/kubernetes/http-message.ts';
import { LeaderLease } from '../../../src/shared/kubernetes/leader-lease.ts';
import { Recorder } from '../../../src/shared/kubernetes/recorder.ts';
import type { StreamHandlers } from '../../../src/shared/kubernetes/connection.ts';
import type { Transport } from '../../../src/shared/kubernetes/transport.ts';
import {
  attacherFinalizer,
  fenceAnnotation,
  holdFinalizer,
  intentAnnotation,
  nodeIdAnnotation,
} from '../../../src/shared/names.ts';
import {
  encodeFenceRecord,
  encodePodIntent,
  type FenceRecord,
} from '../../../src/shared/record.ts';
import { FakeClock, flushPromises } from '../../fake-clock.ts';
import { silentLog } from '../../silent-log.ts';
import { actions, driver, driverNamespace, heartbeat, intent, record, taint } from './actions.ts';

/** One right, as RBAC sees a request. `resource` carries the subresource: `pods/status`. */
export interface Access {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly namespace: string;
  /** Empty for a whole collection. */
  readonly name: string;
}

/** How the API server reads a request (apiserver pkg/endpoints/request/requestinfo.go). */
export function accessOf({ method, path, query = {} }: HttpRequest): Access {
  const [, group = '', rest = ''] =
    /^\/(?:api|apis\/([^/]+))\/v1\/(.*)$/.exec(path) ?? failWith(`not a path of the API: ${path}`);
  const parts = rest.split('/').map(decodeURIComponent);
  const namespaced = parts[0] === 'namespaces' && parts.length > 2;
  const [resource = '', name = '', subresource] = namespaced ? parts.slice(2) : parts;
  // A collection that is selected by name is authorised as that name.
  const selected = /^metadata\.name=(.+)$/.exec(query.fieldSelector ?? '')?.[1] ?? '';
  return {
    verb: verbOf(method, name, query.watch === 'true'),
    group,
    resource: subresource === undefined ? resource : `${resource}/${subresource}`,
    namespace: namespaced ? (parts[1] ?? '') : '',
    name: name || selected,
  };
}

function verbOf(method: HttpRequest['method'], name: string, watch: boolean): string {
  if (method === 'GET') return name !== '' ? 'get' : watch ? 'watch' : 'list';
  return { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }[method];
}

/** Controller mode, as far as it only sees, decides and tells. */
export async function accessOfObserver(): Promise<readonly Access[]> {
  const requests = [
    ...(await requestsOfWatches()),
    ...(await requestsOfLeaderElection()),
    ...(await requestsOfRecorder()),
  ];
  return requests.map(accessOf);
}

/** Controller mode, as far as it acts. */
export async function accessOfActuator(): Promise<readonly Access[]> {
  return (await accessOfActions()).filter((access) => !isOfCondition(access));
}

/** What only `--node-condition` makes it ask for. */
export async function accessOfCondition(): Promise<readonly Access[]> {
  return (await accessOfActions()).filter(isOfCondition);
}

async function accessOfActions(): Promise<readonly Access[]> {
  return (await requestsOfActions()).map(accessOf);
}

function isOfCondition({ resource }: Access): boolean {
  return resource === 'nodes/status';
}

/** Creates the Lease, renews it, and reads it again after a lost race. */
export async function accessOfNode(): Promise<readonly Access[]> {
  const requests: HttpRequest[] = [];
  const statuses = [404, 201, 200, 409, 200, 200];
  const heartbeat = createHeartbeat({
    config: { namespace: driverNamespace, nodeName: 'worker', lostAfterMs: 10_000 },
    driverName: driver,
    clock: new FakeClock(),
    transport: {
      request: (request) => {
        requests.push(request);
        return Promise.resolve(answer(statuses.shift() ?? 200, { metadata: {} }));
      },
    },
  });
  for (let beat = 0; beat < 3; beat += 1) await heartbeat.renew({ bootId: 'b', report: '{}' });
  return requests.map(accessOf);
}

/** Refuses watch-lists, so that every collection is listed, too, and then watched. */
async function requestsOfWatches(): Promise<HttpRequest[]> {
  const requests: HttpRequest[] = [];
  const clock = new FakeClock();
  const transport = {
    request: (request: HttpRequest) => {
      requests.push(request);
      return Promise.resolve(
        answer(200, { metadata: { resourceVersion: '1', nodeId: 'id' }, items: [] }),
      );
    },
    stream: (request: HttpRequest, handlers: StreamHandlers) => {
      requests.push(request);
      const refuse = (): void =>
        handlers.onEnd({ kind: 'Refused', reply: { ...answer(400, {}), detail: '' } });
      return clock.after(0, refuse);
    },
  } as unknown as Transport;
  const reflectors = createReflectors({
    transport,
    driver,
    namespace: driverNamespace,
    selectors: [],
    kubeletSilenceMs: () => 20_000,
    post: () => {},
    shell: {
      clock,
      random: () => 0,
      log: silentLog,
      instance: 'x',
      metrics: undefined as never,
      signal: new AbortController().signal,
    },
  });
  for (const reflector of reflectors) reflector.start();
  await clock.advance(1000);
  for (const reflector of reflectors) reflector.stop();
  return requests;
}

/** How a cluster may be found; under each, every action is carried out to its end. */
interface Turn {
  readonly phase: FenceRecord['phase'] | undefined;
  readonly held: boolean;
  readonly tainted: boolean;
  readonly missing: readonly string[];
}

const turns: readonly Turn[] = [
  { phase: 'Intent', held: false, tainted: false, missing: [] },
  { phase: 'Fenced', held: true, tainted: true, missing: [] },
  { phase: 'Released', held: false, tainted: true, missing: [] },
  { phase: undefined, held: false, tainted: false, missing: ['nodes'] },
  { phase: undefined, held: false, tainted: false, missing: ['nodes', 'leases'] },
];

async function requestsOfActions(): Promise<HttpRequest[]> {
  const effects = turns.flatMap((turn) => {
    // Without a Lease of the node its record is created instead of patched.
    const first = turn.missing.includes('leases')
      ? { ...actions.BeginEpisode, heartbeat: { ...heartbeat, resourceVersion: '' } }
      : actions.BeginEpisode;
    return [...Object.values(actions), first].flatMap((action) => effectsOf(action, turn));
  });
  return Promise.all(effects.map(sent));
}

function effectsOf(action: Action, turn: Turn): readonly KubernetesEffect[] {
  const effects: KubernetesEffect[] = [];
  const performance = act(action, { driver, wallTime: '' });
  let step = performance.next();
  while (step.done !== true) {
    if (step.value.target === 'kubernetes') effects.push(step.value);
    step = performance.next(replyTo(step.value, turn));
  }
  return effects;
}

function replyTo(effect: Effect, turn: Turn): Reply {
  if (effect.target === 'csi') {
    return { target: 'csi', outcome: { kind: 'Done' }, publishedNodes: new Map() };
  }
  if (effect.verb !== 'get') return { target: 'kubernetes', status: 200, body: {} };
  const missing = turn.missing.includes(effect.resource);
  return {
    target: 'kubernetes',
    status: missing ? 404 : 200,
    body: missing ? {} : found(effect, turn),
  };
}

function found({ resource, namespace }: KubernetesEffect, turn: Turn): JsonObject {
  const metadata = { uid: 'u', resourceVersion: '5' };
  if (resource === 'leases') {
    if (namespace === 'kube-node-lease') return { metadata, spec: { renewTime: 't' } };
    const text = turn.phase && encodeFenceRecord({ ...record, phase: turn.phase });
    return { metadata: { ...metadata, annotations: { [fenceAnnotation]: text } } };
  }
  if (resource === 'pods') {
    const annotations = { [intentAnnotation(driver)]: encodePodIntent(intent) };
    return { metadata: { ...metadata, annotations }, status: { phase: 'Running' } };
  }
  if (resource === 'nodes') {
    return { metadata, spec: { taints: turn.tainted ? [{ ...taint, effect: 'NoSchedule' }] : [] } };
  }
  if (resource === 'csinodes') return { metadata, spec: { drivers: [] } };
  const annotations = { [nodeIdAnnotation]: 'id-worker' };
  return turn.held
    ? { metadata: { ...metadata, deletionTimestamp: 't', finalizers: [holdFinalizer] } }
    : { metadata: { ...metadata, annotations, finalizers: [attacherFinalizer(driver)] } };
}

/** The HTTP request that an effect becomes. */
async function sent(effect: KubernetesEffect): Promise<HttpRequest> {
  const requests: HttpRequest[] = [];
  await performKubernetes(
    {
      request: (request) => {
        requests.push(request);
        return Promise.resolve(answer(200, {}));
      },
    },
    effect,
  );
  return requests[0] ?? failWith(`${effect.verb} ${effect.resource} was not sent`);
}

/** Creates the Lease, renews it, loses a race and reads it again. */
async function requestsOfLeaderElection(): Promise<HttpRequest[]> {
  const requests: HttpRequest[] = [];
  const clock = new FakeClock();
  const statuses = [404, 201, 200, 409];
  const lease = new LeaderLease({
    perform: async (effect) => {
      requests.push(await sent(effect));
      const status = statuses.shift() ?? 200;
      const body = {
        metadata: { resourceVersion: '1', nodeId: 'id' },
        spec: { holderIdentity: 'us' },
      };
      return { target: 'kubernetes', status, body };
    },
    namespace: driverNamespace,
    driver,
    identity: 'us',
    leaseDurationMs: 10_000,
    renewDeadlineMs: 6000,
    retryPeriodMs: 2000,
    clock,
    random: () => 0,
    log: silentLog,
    onChange: () => {},
  });
  lease.start();
  await clock.advance(10_000);
  const stopped = lease.stop();
  await flushPromises();
  await stopped;
  return requests;
}

async function requestsOfRecorder(): Promise<HttpRequest[]> {
  const requests: HttpRequest[] = [];
  const recorder = new Recorder({
    transport: {
      request: (request) => {
        requests.push(request);
        return Promise.resolve(answer(201, {}));
      },
    },
    mode: 'controller',
    instance: 'us',
    clock: new FakeClock(),
  });
  for (const [kind, namespace] of [
    ['Pod', 'shop'],
    ['Node', ''],
  ] as const) {
    await recorder.record({
      about: { kind, namespace, name: 'x', uid: 'u' },
      type: 'Normal',
      reason: 'NodeReleased',
      note: '',
      key: '',
      word: '',
    });
  }
  return requests;
}

function answer(status: number, body: JsonObject): HttpReply {
  const headers = { 'content-type': 'application/json' };
  return { status, headers, body: JSON.stringify(body), detail: '' };
}

function failWith(message: string): never {
  throw new Error(message);
}
