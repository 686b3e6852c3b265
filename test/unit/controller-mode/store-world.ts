import { act } from '../../../src/controller-mode/act.ts';
import { type Action, type ActionKind, action } from '../../../src/controller-mode/actions.ts';
import { isWrite } from '../../../src/controller-mode/perform.ts';
import type { Effect, JsonObject, Reply } from '../../../src/shared/effect.ts';
import {
  attacherFinalizer,
  fenceAnnotation,
  fencedTaint,
  heartbeatLease,
  holdFinalizer,
  intentAnnotation,
  nodeIdAnnotation,
  storageCondition,
} from '../../../src/shared/names.ts';
import type { Outcome } from '../../../src/shared/outcome.ts';
import {
  decodeFenceRecord,
  encodeFenceRecord,
  encodePodIntent,
  type FenceRecord,
} from '../../../src/shared/record.ts';
import { ModelArray } from '../../model/model-array.ts';
import type { ResourceName } from '../../model/objects.ts';
import { Store } from '../../model/store.ts';
import { carryOut, noReply } from '../../simulation/requests.ts';
import { driver, epoch, namespace } from './views.ts';

const wallTime = Date.UTC(2026, 0, 1);
const context = { driver, wallTime: '2026-01-01T00:00:00Z' };
export const volumes = [{ handle: 'vol-web-0', pv: 'pv-web-0' }];
export const nodeKey = { name: 'n1' };
export const podKey = { namespace: 'default', name: 'web-0' };
export const attachmentKey = { name: 'va-web-0' };
export const heartbeatKey = { namespace, name: heartbeatLease(driver, 'n1') };
export const kubeletKey = { namespace: 'kube-node-lease', name: 'n1' };

/** Called before the request of this number (from 0) reaches the store. */
type Interruption = (world: StoreWorld, request: number, effect: Effect) => Reply | undefined;

/** The objects of one node and one pod in the model's store, and actions carried out on it. */
export class StoreWorld {
  readonly store = new Store({ wallTime: () => wallTime });
  readonly array = new ModelArray(driver);
  /** Every request that changed something, in order: `verb resource`. */
  readonly writes: string[] = [];

  constructor() {
    const { store } = this;
    store.create('nodes', { metadata: nodeKey });
    store.patch('nodes', nodeKey, { spec: { taints: [foreignTaint] } });
    store.create('leases', { metadata: kubeletKey, spec: { renewTime: '2026-01-01T00:00:00.0Z' } });
    store.create('leases', {
      metadata: heartbeatKey,
      spec: { holderIdentity: 'n1/boot-n1', renewTime: '2026-01-01T00:00:00.0Z' },
    });
    this.attach();
    this.createPod();
  }

  attach(): void {
    this.store.create('volumeattachments', {
      metadata: { ...attachmentKey, finalizers: [attacherFinalizer(driver)] },
      spec: { attacher: driver, nodeName: 'n1', source: { persistentVolumeName: 'pv-web-0' } },
    });
  }

  createPod(): void {
    this.store.create('pods', { metadata: podKey, spec: { nodeName: 'n1' } });
    this.store.patch('pods', podKey, { status: { phase: 'Running' } }, { subresource: 'status' });
  }

  /** Makes it another object under the same name. */
  replace(resource: ResourceName, key: { namespace?: string; name: string }): void {
    const {
      metadata,
      status: _gone,
      ...rest
    } = this.body(resource, key) as {
      metadata: JsonObject;
      status?: JsonObject;
    };
    this.store.patch(resource, key, { metadata: { finalizers: null } });
    this.store.delete(resource, key, { gracePeriodSeconds: 0 });
    const { finalizers, annotations } = metadata;
    this.store.create(resource, { ...rest, metadata: { ...key, finalizers, annotations } });
  }

  body(resource: ResourceName, key: { namespace?: string; name: string }): JsonObject | undefined {
    return this.store.find(resource, key.name, key.namespace) as JsonObject | undefined;
  }

  metadata(resource: ResourceName, key: { namespace?: string; name: string }) {
    return (this.body(resource, key)?.metadata ?? {}) as {
      uid?: string;
      resourceVersion?: string;
      finalizers?: readonly string[];
      deletionTimestamp?: string;
      annotations?: Record<string, string>;
    };
  }

  uid(resource: ResourceName, key: { namespace?: string; name: string }): string {
    return this.metadata(resource, key).uid ?? '';
  }

  heartbeat() {
    const { resourceVersion = '' } = this.metadata('leases', heartbeatKey);
    return { ...heartbeatKey, resourceVersion };
  }

  /** As an action names it that is decided upon now. */
  attachment() {
    const found = this.metadata('volumeattachments', attachmentKey);
    const { uid = '', resourceVersion = '', finalizers = [], annotations = {} } = found;
    const nodeId = annotations[nodeIdAnnotation] ?? '';
    return { ...attachmentKey, uid, resourceVersion, finalizers, nodeId };
  }

  /** The agent, or the kubelet, renews. */
  renew(key = heartbeatKey): void {
    const renewTime = `2026-01-01T00:00:0${this.store.resourceVersion % 10}.${key.name.length}Z`;
    this.store.patch('leases', key, { spec: { renewTime } });
  }

  record(change: Partial<FenceRecord> = {}): FenceRecord {
    const record = recordOf(change);
    const annotations = { [fenceAnnotation]: encodeFenceRecord(record) };
    this.store.patch('leases', heartbeatKey, { metadata: { annotations } });
    return record;
  }

  noRecord(): void {
    const annotations = { [fenceAnnotation]: null };
    this.store.patch('leases', heartbeatKey, { metadata: { annotations } });
  }

  recordNow(): FenceRecord | undefined {
    const text = this.metadata('leases', heartbeatKey).annotations?.[fenceAnnotation];
    return decodeFenceRecord(text);
  }

  mark(change: { readonly uid?: string; readonly epoch?: string } = {}): void {
    const uid = this.uid('pods', podKey);
    const text = encodePodIntent({ epoch, node: 'n1', uid, volumes, ...change });
    const annotations = { [intentAnnotation(driver)]: text };
    this.store.patch('pods', podKey, { metadata: { annotations } });
  }

  /** Puts the hold on; `held` is after the attacher has taken its own finalizer off. */
  hold(stage: 'begun' | 'fencing' | 'held'): void {
    const finalizers = [attacherFinalizer(driver), holdFinalizer];
    this.store.patch('volumeattachments', attachmentKey, { metadata: { finalizers } });
    if (stage === 'begun') return;
    this.store.delete('volumeattachments', attachmentKey);
    if (stage === 'fencing') return;
    const ours = { metadata: { finalizers: [holdFinalizer] } };
    this.store.patch('volumeattachments', attachmentKey, ours);
  }

  taint(key = fencedTaint(driver), value?: string): void {
    const taint = { key, effect: 'NoSchedule', ...(value === undefined ? {} : { value }) };
    this.store.patch('nodes', nodeKey, { spec: { taints: [foreignTaint, taint] } });
  }

  taints(): readonly JsonObject[] {
    const spec = this.body('nodes', nodeKey)?.spec as { taints?: JsonObject[] } | undefined;
    return spec?.taints ?? [];
  }

  /** Carries an action out, request by request; an interruption may answer in place of the store. */
  run(what: Action, interrupt: Interruption = () => undefined): Outcome {
    const performance = act(what, context);
    let step = performance.next();
    for (let request = 0; step.done !== true; request += 1) {
      const effect = step.value;
      const reply = interrupt(this, request, effect) ?? this.#carryOut(effect);
      step = performance.next(reply);
    }
    return step.value;
  }

  /** The process dies after so many requests; the last one was carried out, or not. */
  crash(what: Action, requests: number): void {
    const performance = act(what, context);
    let step = performance.next();
    for (let request = 0; step.done !== true && request < requests; request += 1) {
      step = performance.next(this.#carryOut(step.value));
    }
  }

  #carryOut(effect: Effect): Reply {
    const before = this.store.resourceVersion;
    const reply = carryOut(effect, this.store, this.array);
    if (effect.target === 'kubernetes' && isWrite(effect) && this.store.resourceVersion > before) {
      this.writes.push(`${effect.verb} ${effect.resource}`);
    }
    return reply;
  }

  /** All objects without versions, times and uids: what two runs must agree upon. */
  summary(): string {
    const names = ['nodes', 'leases', 'volumeattachments', 'pods'] as const;
    const objects = names.flatMap((name) => this.store.all(name) as readonly JsonObject[]);
    return JSON.stringify(objects, (key, value: unknown) =>
      ['resourceVersion', 'generation', 'uid'].includes(key) ? undefined : value,
    );
  }
}

export const foreignTaint = { key: 'example.com/theirs', effect: 'NoExecute', value: 'x' };

export function recordOf(change: Partial<FenceRecord> = {}): FenceRecord {
  return {
    v: 1,
    epoch,
    episode: `n1.${epoch}`,
    reason: 'Lost: node-silent',
    since: context.wallTime,
    bootId: 'boot-n1',
    phase: 'Intent',
    volumes,
    ...change,
  };
}

/** Answers request number `at` with nothing, after it was carried out. */
export function loseAnswer(at: number): Interruption {
  return (world, request, effect) => {
    if (request !== at) return undefined;
    carryOut(effect, world.store, world.array);
    return noReply(effect);
  };
}

/** Something happens right before request number `at`. */
export function before(at: number, change: (world: StoreWorld) => void): Interruption {
  return (world, request) => {
    if (request === at) change(world);
    return undefined;
  };
}

/** The API answers request number `at` with this status and does nothing. */
export function refuse(at: number, status: number): Interruption {
  return (_world, request) =>
    request === at ? { target: 'kubernetes', status, body: { message: 'no' } } : undefined;
}

const taint = { key: fencedTaint(driver), value: '' };

/** An action of each kind as the decision would want it in this world now. */
export function actionFor(kind: ActionKind, world: StoreWorld): Action {
  const node = 'n1';
  const heartbeat = world.heartbeat();
  const pod = { ...podKey, uid: world.uid('pods', podKey) };
  const attachment = world.attachment();
  const nodeUid = world.uid('nodes', nodeKey);
  const held = { node, attachment, heartbeat, epoch };
  const kubelet = world.body('leases', kubeletKey)?.spec as { renewTime?: string } | undefined;
  switch (kind) {
    case 'BeginEpisode':
      return action(kind, '', {
        node,
        driver,
        heartbeat,
        kubeletRenewTime: kubelet?.renewTime ?? '',
        nodeUid,
        reason: 'Lost: node-silent',
        bootId: 'boot-n1',
        phase: 'Intent',
        volumes,
      });
    case 'UpdateRecord': {
      const from = world.recordNow() ?? recordOf();
      return action(kind, '', { node, heartbeat, from, record: { ...from, phase: 'Fenced' } });
    }
    case 'RemoveRecord':
      return action(kind, '', { node, heartbeat, epoch, taint: taint.key });
    case 'MarkPod': {
      const intent = { epoch, node, uid: pod.uid, volumes };
      return action(kind, '', { node, pod, heartbeat, intent });
    }
    case 'UnmarkPod':
      return action(kind, '', { node, pod, heartbeat, epoch });
    case 'SetTaint':
      return action(kind, '', { node, nodeUid, taint, record: { heartbeat, epoch } });
    case 'ClearTaint':
      return action(kind, '', { node, nodeUid, taint });
    case 'Hold':
      return action(kind, '', held);
    case 'UndoHold':
      return action(kind, '', { node, attachment, heartbeat, pv: 'pv-web-0' });
    case 'VerifyRevoked': {
      const asked = [{ handle: 'vol-web-0', nodeId: 'id-n1', uid: attachment.uid }];
      const knownNodeIds = new Set(['id-n1', 'id-n2']);
      return action(kind, '', { node, epoch, knownNodeIds, volumes: asked });
    }
    case 'SetCondition': {
      const type = storageCondition(driver);
      const condition = { type, status: 'False', reason: 'DriverDown', message: '' } as const;
      return action(kind, '', { node, nodeUid, condition });
    }
    case 'ConfirmHealth':
      return action(kind, '', { node, handle: 'vol-web-0' });
    case 'EndPod':
      return action(kind, '', { node, pod, heartbeat, epoch, graceMs: 5_000, troubled: [] });
    case 'Evict':
      return action(kind, '', { ...held, pod, holds: [attachment], nodeIds: ['id-n1'] });
    case 'DropHold':
      return action(kind, '', held);
  }
}

/** Outcomes, as a test expects them. */
export const done = { kind: 'Done' };
export const failed = (code: string) => ({ kind: 'Failed', code });

export function worldWith(...changes: readonly ((world: StoreWorld) => void)[]): StoreWorld {
  const world = new StoreWorld();
  for (const change of changes) change(world);
  return world;
}

/** What a row expects: the change of the world, the outcome, and that nothing was written. */
export type Refusal = [string, (world: StoreWorld) => void, string];
