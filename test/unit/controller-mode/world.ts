import type { Action, ActionKind, ActionOf } from '../../../src/controller-mode/actions.ts';
import { decide } from '../../../src/controller-mode/decide.ts';
import { type Fact, type SourceName, sourceNames } from '../../../src/controller-mode/facts.ts';
import { observe } from '../../../src/controller-mode/observe.ts';
import type { Policy } from '../../../src/controller-mode/policy.ts';
import { initialState, type State } from '../../../src/controller-mode/state.ts';
import { type Verdict, verdictOf } from '../../../src/controller-mode/verdict.ts';
import type { Decision, Notice } from '../../../src/shared/mode.ts';
import {
  type AttachmentView,
  type LeaseView,
  type NodeView,
  type PodView,
  type PvView,
  type SwitchView,
  uniqueVolumeName,
  type View,
} from '../../../src/shared/model.ts';
import {
  fenceAnnotation,
  fencedTaint,
  heartbeatLease,
  intentAnnotation,
  leaderLease,
  outOfServiceTaint,
  outOfServiceValue,
  reportAnnotation,
  switchConfigMap,
} from '../../../src/shared/names.ts';
import { done, type Outcome } from '../../../src/shared/outcome.ts';
import {
  encodeFenceRecord,
  encodePodIntent,
  type PodIntent,
  type FenceRecord,
  type NodeReport,
} from '../../../src/shared/record.ts';
import {
  attachmentView,
  beatMs,
  type Change,
  driver,
  epoch,
  finalizersOf,
  leaseView,
  namespace,
  nodeView,
  podView,
  policy,
  pvView,
  renewMs,
  reportText,
  type Stage,
  sourceOf,
  stepOf,
} from './views.ts';

/** A cluster as controller mode sees it: facts in, decisions out, time as a number. */
export class World {
  readonly state: State;
  now = 1_000_000;
  #version = 1_000;
  #uids = 0;
  readonly #silent = new Set<string>();

  constructor(changes: Partial<Policy> = {}) {
    this.state = initialState({ ...policy, ...changes }, this.now);
  }

  /** Nodes n1 ... that have the driver and renew everything; we have led for a while. */
  static healthy(nodes = 4, changes: Partial<Policy> = {}): World {
    return new World(changes).start(nodes);
  }

  protected start(nodes: number): this {
    for (const source of sourceNames) this.see({ kind: 'Replaced', source, objects: [] });
    this.see({ kind: 'Leadership', leading: true, renewal: '' });
    const capabilities = {
      publishUnpublish: true,
      listsPublishedNodes: false,
      health: 'none' as const,
    };
    this.see({ kind: 'Driver', capabilities });
    this.put({ ...this.#object(driver), kind: 'csidriver', attachRequired: true });
    for (let i = 1; i <= nodes; i += 1) this.node(`n${i}`);
    for (let i = 0; i < 4; i += 1) this.pass(renewMs);
    return this;
  }

  see(fact: Fact): void {
    observe(this.state, fact, this.now);
  }

  put<V extends View>(object: V, source?: SourceName): V {
    const to = source ?? sourceOf[object.kind as keyof typeof sourceOf];
    this.see({ kind: 'Upserted', source: to, object });
    return object;
  }

  remove(object: View, source?: SourceName): void {
    const from = source ?? sourceOf[object.kind as keyof typeof sourceOf];
    const { namespace, name, uid } = object;
    this.see({ kind: 'Removed', source: from, namespace, name, uid });
  }

  /** Time passes second by second: who is not silent renews, all watches show life. */
  pass(durationMs: number): this {
    const end = this.now + durationMs;
    while (this.now < end) {
      this.now = Math.min(end, this.now + 1_000);
      for (const source of sourceNames) this.see({ kind: 'WatchAlive', source });
      for (const name of this.state.csinodes.keys()) this.#renewDue(name);
    }
    return this;
  }

  #renewDue(name: string): void {
    const agent = this.state.heartbeats.get(this.heartbeatKey(name));
    const kubelet = this.state.kubeletLeases.get(`kube-node-lease/${name}`);
    const due = (at: number | undefined, everyMs: number): boolean =>
      at !== undefined && this.now - at >= everyMs;
    if (!this.#silent.has(`agent/${name}`) && due(agent?.renewedAt, beatMs)) this.beat(name);
    if (!this.#silent.has(`kubelet/${name}`) && due(kubelet?.renewedAt, renewMs)) this.renew(name);
  }

  /** From now on this node, or one part of it, is not heard any more. */
  silent(node: string, part: 'both' | 'agent' | 'kubelet' = 'both'): this {
    if (part !== 'kubelet') this.#silent.add(`agent/${node}`);
    if (part !== 'agent') this.#silent.add(`kubelet/${node}`);
    return this;
  }

  /** It is heard again, at once. */
  back(node: string, part: 'both' | 'agent' | 'kubelet' = 'both'): this {
    if (part !== 'kubelet') this.#silent.delete(`agent/${node}`);
    if (part !== 'agent') this.#silent.delete(`kubelet/${node}`);
    if (part !== 'kubelet') this.beat(node);
    if (part !== 'agent') this.renew(node);
    return this;
  }

  /** Both fall silent, and as much time passes as makes the node Lost. */
  lose(...nodes: readonly string[]): this {
    for (const node of nodes) this.silent(node);
    return this.pass(20_000);
  }

  node(name: string, change: Change<NodeView> = {}): NodeView {
    const node = this.put(nodeView(this.#object(name), change));
    this.put({ ...this.#object(name), kind: 'csinode', nodeIds: { [driver]: `id-${name}` } });
    this.put(this.#lease('kube-node-lease', name, name, 40_000), 'kubeletLeases');
    const heartbeat = heartbeatLease(driver, name);
    this.put(this.#lease(namespace, heartbeat, `${name}/boot-${name}`, 10_000), 'heartbeats');
    return node;
  }

  changeNode(name: string, change: Change<NodeView>): NodeView {
    const node = this.state.nodes.get(name);
    if (node === undefined) throw new Error(`no node ${name}`);
    return this.put({ ...node, resourceVersion: this.version(), ...change });
  }

  taint(name: string, key = fencedTaint(driver), value = ''): NodeView {
    const taints = this.state.nodes.get(name)?.taints ?? [];
    return this.changeNode(name, { taints: [...taints, { key, value, effect: 'NoSchedule' }] });
  }

  untaint(name: string, key = fencedTaint(driver)): NodeView {
    const taints = this.state.nodes.get(name)?.taints ?? [];
    return this.changeNode(name, { taints: taints.filter((taint) => taint.key !== key) });
  }

  outOfService(name: string): NodeView {
    return this.taint(name, outOfServiceTaint, outOfServiceValue(driver));
  }

  heartbeatKey(node: string): string {
    return `${namespace}/${heartbeatLease(driver, node)}`;
  }

  heartbeat(node: string): LeaseView {
    const lease = this.state.heartbeats.get(this.heartbeatKey(node))?.view;
    if (lease === undefined) throw new Error(`no heartbeat of ${node}`);
    return lease;
  }

  /** The agent renews, with a report if one is given. */
  beat(node: string, report?: Partial<NodeReport>): void {
    const lease = this.heartbeat(node);
    const text = report === undefined ? undefined : reportText(report);
    const annotations =
      text === undefined ? lease.annotations : { ...lease.annotations, [reportAnnotation]: text };
    this.changeHeartbeat(node, { annotations, renewTime: this.version() });
  }

  changeHeartbeat(node: string, change: Change<LeaseView>): LeaseView {
    const lease = this.heartbeat(node);
    return this.put({ ...lease, resourceVersion: this.version(), ...change }, 'heartbeats');
  }

  renew(node: string, change: Change<LeaseView> = {}): void {
    const lease = this.state.kubeletLeases.get(`kube-node-lease/${node}`)?.view;
    if (lease === undefined) throw new Error(`no kubelet Lease of ${node}`);
    const version = this.version();
    const renewed = { ...lease, resourceVersion: version, renewTime: version, ...change };
    this.put(renewed, 'kubeletLeases');
  }

  leader(change: Change<LeaseView> = {}): LeaseView {
    const lease = this.#lease(namespace, leaderLease(driver), 'us', 10_000);
    return this.put({ ...lease, ...change }, 'heartbeats');
  }

  /** Claim `default/<name>` and PV `pv-<name>` with handle `vol-<name>`, bound to each other. */
  volume(name: string, change: Change<PvView> = {}): PvView {
    const claim = { ...this.#object(name, 'default'), kind: 'claim' as const, pv: `pv-${name}` };
    this.put(claim);
    const pv = { handle: `vol-${name}`, claimName: name, claimUid: claim.uid, ...change };
    return this.put(pvView(this.#object(`pv-${name}`), pv));
  }

  pod(name: string, nodeName: string, claims: readonly string[], change: Change<PodView> = {}) {
    const volumes = claims.map((claim) => ({
      kind: 'claim' as const,
      name: claim,
      claim,
      readOnly: false,
    }));
    return this.put(podView(this.#object(name, 'default'), { nodeName, volumes, ...change }));
  }

  changePod(name: string, change: Change<PodView>): PodView {
    const pod = this.findPod(name);
    return this.put({ ...pod, resourceVersion: this.version(), ...change });
  }

  findPod(name: string): PodView {
    const pod = this.state.pods.get(`default/${name}`);
    if (pod === undefined) throw new Error(`no pod ${name}`);
    return pod;
  }

  /** The VolumeAttachment of volume `name` on a node, at some stage of a hold. */
  attach(name: string, nodeName: string, change: Change<AttachmentView> = {}): AttachmentView {
    const usual = { pv: `pv-${name}`, nodeName, nodeId: `id-${nodeName}` };
    return this.put(
      attachmentView(this.#object(`va-${name}-${nodeName}`), { ...usual, ...change }),
    );
  }

  findAttachment(name: string, nodeName: string): AttachmentView {
    const attachment = this.state.attachments.get(`va-${name}-${nodeName}`);
    if (attachment === undefined) throw new Error(`no attachment of ${name} on ${nodeName}`);
    return attachment;
  }

  /** Brings the hold of a volume to a stage; `bare` is without the attacher's finalizer. */
  stage(name: string, nodeName: string, stage: Stage): AttachmentView {
    const attachment = this.findAttachment(name, nodeName);
    const deleting = stage === 'leaving' || stage === 'fencing' || stage === 'held';
    const finalizers = finalizersOf(stage, attachment.driver);
    return this.put({ ...attachment, resourceVersion: this.version(), deleting, finalizers });
  }

  /** A labelled pod of a StatefulSet with one volume of its own, attached to its node. */
  workload(name: string, nodeName: string, change: Change<PodView> = {}): PodView {
    this.volume(name);
    this.attach(name, nodeName);
    return this.pod(name, nodeName, [name], change);
  }

  namespaceSwitch(values: SwitchView['values']): void {
    this.put({ ...this.#object('default'), kind: 'namespace', values });
  }

  configMap(values: SwitchView['values']): void {
    this.put({ ...this.#object(switchConfigMap, namespace), kind: 'configmap', values });
  }

  /** Puts a fence record on the node's heartbeat Lease. */
  record(node: string, volumes: readonly string[], change: Partial<FenceRecord> = {}): FenceRecord {
    const record: FenceRecord = {
      v: 1,
      epoch,
      episode: `${node}.${epoch}`,
      reason: 'Lost: node-silent',
      since: '2026-01-01T00:00:00Z',
      bootId: `boot-${node}`,
      phase: 'Intent',
      volumes: volumes.map((name) => ({ handle: `vol-${name}`, pv: `pv-${name}` })),
      ...change,
    };
    const { annotations } = this.heartbeat(node);
    const text = encodeFenceRecord(record);
    this.changeHeartbeat(node, { annotations: { ...annotations, [fenceAnnotation]: text } });
    return record;
  }

  noRecord(node: string): void {
    const { [fenceAnnotation]: _gone, ...annotations } = this.heartbeat(node).annotations;
    this.changeHeartbeat(node, { annotations });
  }

  /** The pod carries the intent of the episode, for the volumes that it claims. */
  mark(name: string, by = driver, intentEpoch = epoch, more: Partial<PodIntent> = {}): PodView {
    const pod = this.findPod(name);
    const volumes = pod.volumes.flatMap((volume) =>
      volume.kind === 'claim' ? [{ handle: `vol-${volume.claim}`, pv: `pv-${volume.claim}` }] : [],
    );
    const { uid, nodeName } = pod;
    const text = encodePodIntent({ epoch: intentEpoch, node: nodeName, uid, volumes, ...more });
    return this.changePod(name, {
      annotations: { ...pod.annotations, [intentAnnotation(by)]: text },
    });
  }

  attachedOn(node: string, ...volumes: readonly string[]): void {
    const names = volumes.map((name) => uniqueVolumeName(driver, `vol-${name}`));
    this.changeNode(node, { volumesAttached: names });
  }

  settle(action: Action, outcome: Outcome = done): void {
    this.see({ kind: 'Settled', action, outcome });
  }

  decide(): Decision<Action> {
    return decide(this.state, this.now);
  }

  wanted<Kind extends ActionKind>(kind: Kind): readonly ActionOf<Kind>[] {
    return this.decide().actions.filter((action) => action.kind === kind) as ActionOf<Kind>[];
  }

  /** What is wanted, as `Kind object`, sorted. */
  steps(): readonly string[] {
    return this.decide().actions.map(stepOf).sort();
  }

  notices(reason: string): readonly Notice[] {
    return this.decide().notices.filter((notice) => notice.reason === reason);
  }

  /** The words of what holds or delays this pod or claim. */
  words(reason: string, name: string): readonly string[] {
    return this.notices(reason)
      .filter(({ about }) => about.name === name)
      .map(({ word }) => word);
  }

  verdict(node: string, at = this.now): Verdict {
    return verdictOf(this.state, node, at);
  }

  version(): string {
    this.#version += 1;
    return String(this.#version);
  }

  #object(name: string, namespace = '') {
    this.#uids += 1;
    return { namespace, name, uid: `uid-${this.#uids}`, resourceVersion: this.version() };
  }

  #lease(namespace: string, name: string, holder: string, durationMs: number): LeaseView {
    return leaseView(this.#object(name, namespace), { holder, durationMs });
  }
}
