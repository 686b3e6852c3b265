import { decide } from '../../src/controller-mode/decide.ts';
import { type SourceName, sourceNames } from '../../src/controller-mode/facts.ts';
import { observe } from '../../src/controller-mode/observe.ts';
import { initialState, type State } from '../../src/controller-mode/state.ts';
import type { VolumeHealth } from '../../src/shared/health.ts';
import type { LeaseView, NodeSelectorTerms, ObjectView, View } from '../../src/shared/model.ts';
import {
  fenceAnnotation,
  fencedTaint,
  heartbeatLease,
  intentAnnotation,
  reportAnnotation,
} from '../../src/shared/names.ts';
import {
  encodeFenceRecord,
  encodePodIntent,
  type FencedVolume,
  type FenceRecord,
} from '../../src/shared/record.ts';
import {
  attachmentView,
  driver,
  epoch,
  finalizersOf,
  leaseView,
  namespace,
  nodeView,
  podView,
  policy,
  pvView,
  reportText,
} from '../unit/controller-mode/views.ts';

/** How much of everything; what the design asks for is `large`. */
export interface Size {
  readonly nodes: number;
  readonly podsPerNode: number;
  /** Pods with a volume of ours; half of them are labelled. */
  readonly volumesPerNode: number;
  /** Nodes that are Lost: a third each without a record, with an intent, and fenced. */
  readonly failed: number;
}

export const large: Size = { nodes: 5_000, podsPerNode: 10, volumesPerNode: 4, failed: 12 };

type Stage = 'alive' | 'lost' | 'intent' | 'fenced';

/** A cluster as controller mode sees it, built of listings like the real thing. */
export class BenchCluster {
  readonly state: State;
  readonly size: Size;
  now = 1_000_000;
  readonly #views = Object.fromEntries(sourceNames.map((name) => [name, []])) as unknown as Record<
    SourceName,
    View[]
  >;
  #version = 1_000;

  constructor(size: Size) {
    this.size = size;
    this.state = initialState({ ...policy, maxLostNodes: { percent: 30 } }, this.now);
    for (let i = 0; i < size.nodes; i += 1) this.#node(i);
    this.#put('csidrivers', { ...this.#object(driver), kind: 'csidriver', attachRequired: true });
    for (const source of sourceNames) {
      const objects = this.#views[source];
      observe(this.state, { kind: 'Replaced', source, objects }, this.now);
    }
    observe(this.state, { kind: 'Leadership', leading: true, renewal: '' }, this.now);
    const capabilities = {
      publishUnpublish: true,
      listsPublishedNodes: false,
      health: 'none' as const,
    };
    observe(this.state, { kind: 'Driver', capabilities }, this.now);
    this.now += 5_000;
    // Everybody is seen renewing once; then the failed ones are silent long enough.
    for (let i = 0; i < size.nodes; i += 1) this.renew(i);
    this.now += 20_000;
    for (let i = size.failed; i < size.nodes; i += 1) this.renew(i);
    for (const source of sourceNames) {
      observe(this.state, { kind: 'WatchAlive', source }, this.now);
    }
  }

  decide() {
    return decide(this.state, this.now);
  }

  /** Agent and kubelet of one node renew: two facts. */
  renew(index: number): void {
    const name = nameOf(index);
    this.#renew('heartbeats', `${namespace}/${heartbeatLease(driver, name)}`);
    this.#renew('kubeletLeases', `kube-node-lease/${name}`);
  }

  /**
   * The storage has called all volumes well but every hundredth; the first few nodes report all of
   * theirs to be out of reach, and have for long.
   */
  sicken(nodes: number): void {
    const capabilities = { publishUnpublish: true, listsPublishedNodes: false };
    observe(this.state, { kind: 'Driver', capabilities: { ...capabilities, health: 'list' } }, 0);
    const said = (bad: boolean): VolumeHealth => {
      return { status: bad ? 'Inaccessible' : 'Healthy', reason: '', message: '' };
    };
    const handles = [...this.state.pvs.values()].map(({ handle }) => handle);
    const volumes = new Map(handles.map((handle, i) => [handle, said(i % 100 === 99)]));
    observe(this.state, { kind: 'HealthListed', beganAt: this.now, volumes }, this.now);
    for (let i = 0; i < nodes; i += 1) {
      const name = nameOf(i);
      const own = handles.filter((handle) => handle.startsWith(`pod-${name}-`));
      const unhealthy = own.map((handle) => ({ handle, ...said(true) }));
      const counts = { good: 0, bad: own.length, unknown: 0 };
      const report = reportText({ bootId: `boot-${name}`, unhealthy, volumes: counts });
      const annotations = { [reportAnnotation]: report };
      const key = `${namespace}/${heartbeatLease(driver, name)}`;
      for (const passed of [0, 1, 2, 3].map((tenth) => tenth * 10_000)) {
        const at = this.now + passed;
        this.#renew('heartbeats', key, { annotations }, at);
      }
    }
    this.now += 31_000;
    for (let i = 0; i < this.size.nodes; i += 1) this.renew(i);
    for (const source of sourceNames) {
      observe(this.state, { kind: 'WatchAlive', source }, this.now);
    }
  }

  #renew(
    source: 'heartbeats' | 'kubeletLeases',
    key: string,
    changes: Partial<LeaseView> = {},
    at = this.now,
  ): void {
    const view = this.state[source].get(key)?.view;
    if (view === undefined) throw new Error(`no Lease ${key}`);
    const version = this.#next();
    const object = { ...view, resourceVersion: version, renewTime: version, ...changes };
    observe(this.state, { kind: 'Upserted', source, object }, at);
  }

  #stageOf(index: number): Stage {
    if (index >= this.size.failed) return 'alive';
    return (['lost', 'intent', 'fenced'] as const)[index % 3] ?? 'lost';
  }

  #node(index: number): void {
    const name = nameOf(index);
    const stage = this.#stageOf(index);
    const zone = `zone-${index % 3}`;
    const ours = { key: fencedTaint(driver), value: '', effect: 'NoSchedule' };
    const taints = stage === 'intent' || stage === 'fenced' ? [ours] : [];
    const labels = { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone };
    this.#put('nodes', nodeView(this.#object(name), { labels, taints }));
    const nodeIds = { [driver]: `id-${name}`, 'other.example.com': name };
    this.#put('csinodes', { ...this.#object(name), kind: 'csinode', nodeIds });
    this.#put('kubeletLeases', leaseView(this.#object(name, 'kube-node-lease')));
    const volumes: FencedVolume[] = [];
    for (let i = 0; i < this.size.podsPerNode; i += 1) {
      const volume = this.#pod(name, zone, i, stage);
      if (volume !== undefined) volumes.push(volume);
    }
    const annotations = { [reportAnnotation]: reportText({ bootId: `boot-${name}` }) };
    const record = recordOf(name, stage, volumes);
    this.#put(
      'heartbeats',
      leaseView(this.#object(heartbeatLease(driver, name), namespace), {
        holder: `${name}/boot-${name}`,
        annotations: record === undefined ? annotations : { ...annotations, ...record },
      }),
    );
  }

  /** Every pod has a name of its own; the first few have a volume, every other one a label. */
  #pod(node: string, zone: string, index: number, stage: Stage): FencedVolume | undefined {
    const name = `pod-${node}-${index}`;
    const object = this.#object(name, `ns-${index}`);
    const owned = index < this.size.volumesPerNode;
    const selected = owned && index % 2 === 0;
    if (!owned) {
      this.#put('pods', podView(object, { nodeName: node, selected: false }));
      return undefined;
    }
    const claim = { ...this.#object(name, object.namespace), kind: 'claim' as const, pv: name };
    this.#put('claims', claim);
    const affinity: NodeSelectorTerms = [
      [{ field: false, key: 'topology.kubernetes.io/zone', operator: 'In', values: [zone] }],
    ];
    const { namespace: claimNamespace, name: claimName, uid: claimUid } = claim;
    const bound = { claimNamespace, claimName, claimUid, nodeAffinity: affinity };
    this.#put('pvs', pvView(this.#object(name), bound));
    const hold = stage === 'fenced' && selected ? 'fencing' : 'free';
    this.#put(
      'attachments',
      attachmentView(this.#object(`va-${name}`), {
        pv: name,
        nodeName: node,
        nodeId: `id-${node}`,
        deleting: hold === 'fencing',
        finalizers: finalizersOf(hold),
      }),
    );
    const volume = { handle: name, pv: name };
    const intent = { epoch, node, uid: object.uid, volumes: [volume] };
    const marked = selected && (stage === 'intent' || stage === 'fenced');
    this.#put(
      'pods',
      podView(object, {
        nodeName: node,
        selected,
        volumes: [{ kind: 'claim', name: 'data', claim: name, readOnly: false }],
        annotations: marked ? { [intentAnnotation(driver)]: encodePodIntent(intent) } : {},
      }),
    );
    return selected ? volume : undefined;
  }

  #put(source: SourceName, view: View): void {
    this.#views[source].push(view);
  }

  #object(name: string, namespace = ''): ObjectView {
    const resourceVersion = this.#next();
    return { namespace, name, uid: `uid-${resourceVersion}`, resourceVersion };
  }

  #next(): string {
    this.#version += 1;
    return String(this.#version);
  }
}

function nameOf(index: number): string {
  return `node-${String(index).padStart(5, '0')}`;
}

function recordOf(
  node: string,
  stage: Stage,
  volumes: readonly FencedVolume[],
): Readonly<Record<string, string>> | undefined {
  if (stage !== 'intent' && stage !== 'fenced') return undefined;
  const record: FenceRecord = {
    v: 1,
    epoch,
    episode: `${node}.${epoch}`,
    reason: 'Lost: node-silent',
    since: '2026-01-01T00:00:00Z',
    bootId: `boot-${node}`,
    phase: stage === 'intent' ? 'Intent' : 'Fenced',
    volumes,
  };
  return { [fenceAnnotation]: encodeFenceRecord(record) };
}
