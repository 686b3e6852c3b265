/** Deliberate mistakes in the core that the simulation must catch, each within its seeds. */
import { healthMutants } from './health-mutants.ts';
import { closeCall, hard, inFile, type Mutant, simple } from './mutant.ts';
import { relapses } from './relapses.ts';

const act = inFile('act');
const begin = inFile('begin');
const decide = inFile('decide');
const detach = inFile('detach');
const episode = inFile('episode');
const endPod = inFile('end-pod');
const evict = inFile('evict');
const failover = inFile('failover');
const foreign = inFile('foreign-volume');
const guards = inFile('guards');
const phase = inFile('phase');
const release = inFile('release');
const unfenceable = inFile('unfenceable');
const verdict = inFile('verdict');
const volumes = inFile('volumes');
const writeRecord = inFile('write-record');
const writeTaint = inFile('write-taint');

/** Every guard off. */
const withoutGuards: readonly Mutant[] = [
  guards(
    'guard paused off',
    "switched(state, pod, 'paused', pausedAnnotation)",
    "switched(state, pod, 'stopped', pausedAnnotation)",
  ),
  guards('guard storm off', 'storm: ({ storm }) => storm,', 'storm: () => undefined,'),
  unfenceable(
    'guard unfenceable off',
    "if (fence.kind === 'unfenceable') return hold('unfenceable', fence.why);",
    "if (fence.kind === 'unfenceable') return undefined;",
  ),
  guards(
    'guard foreign-volume off',
    "'foreign-volume': ({ state }, pod) => foreignVolume(state, pod),",
    "'foreign-volume': ({ state }, pod) => (state.leading ? undefined : foreignVolume(state, pod)),",
  ),
  guards(
    'guard retain off',
    "pod.annotations[policyAnnotation] === 'retain'",
    "pod.annotations[policyAnnotation] === 'keep'",
  ),
  guards(
    'guard not-movable lets DaemonSets go',
    "if (pod.owner?.kind === 'DaemonSet')",
    "if (pod.owner?.kind === 'Daemon')",
  ),
  guards(
    'guard not-movable lets bare pods go',
    'if (pod.owner === undefined && pod',
    'if (pod.mirror && pod',
  ),
  guards(
    'guard not-movable lets tolerant pods go',
    'if (tolerates(pod.tolerations, taint)) {',
    'if (pod.mirror && tolerates(pod.tolerations, taint)) {',
  ),
  {
    ...guards(
      'guard not-movable lets pinned pods go',
      'if (terms === undefined) return false;',
      'if (terms === undefined || nodeName !== "") return false;',
    ),
    // Nothing else could take such a volume, which holds the pod as well (last-place).
    also: {
      file: 'src/controller-mode/guards.ts',
      anchor: 'usable && hasDriver && fits(pod, node, affinities)',
      replacement: 'usable && hasDriver && fits(pod, node, affinities.slice(0, 0))',
    },
  },
  guards(
    'guard node-id-changed off',
    "'node-id-changed': nodeIdChanged,",
    "'node-id-changed': (all, pod) => (pod.mirror ? nodeIdChanged(all, pod) : undefined),",
  ),
  simple(
    volumes(
      'guard shared-volume off',
      'filter((pod) => pod.nodeName === nodeName)',
      'filter((pod) => pod.selected && pod.nodeName === nodeName)',
    ),
  ),
];

/** Steps skipped, swapped, or not waited for. */
const steps: readonly Mutant[] = [
  simple(
    episode(
      'own taint not awaited',
      'return hasFencedTaint(node, situation.state.policy.driver);',
      'return node === undefined || !hasFencedTaint(node, situation.nodeName);',
    ),
  ),
  act(
    'hold skipped',
    'finalizers: [...finalizers, holdFinalizer],',
    'finalizers: [...finalizers],',
  ),
  simple({
    ...volumes(
      'confirmation not awaited',
      "if (holdOf(attachment) !== 'held') return false;",
      "if (holdOf(attachment) === 'free') return false;",
    ),
    // An eviction reads its holds once more.
    also: {
      file: 'src/controller-mode/end-pod.ts',
      anchor: 'api.finalizersOf(found.body).length === 1 && api.isHeld(found.body);',
      replacement: 'api.isHeld(found.body);',
    },
  }),
  volumes(
    "driver's own listing not asked",
    'state.capabilities?.listsPublishedNodes === false ||',
    'state.capabilities?.listsPublishedNodes !== undefined ||',
  ),
  simple({
    ...evict('evicted without any fence', 'unfenced ??', '(pod.mirror ? unfenced : undefined) ??'),
    // An eviction reads its holds once more.
    also: {
      file: 'src/controller-mode/end-pod.ts',
      anchor: 'if (!stands) return failed(',
      replacement: "if (!stands && uid === '') return failed(",
    },
  }),
  evict(
    "another driver's fence not awaited",
    'unheld(state, pod)',
    '(pod.mirror ? unheld(state, pod) : undefined)',
  ),
  foreign(
    'announcement of another driver not awaited',
    'held || intentOf(pod, driver) !== undefined',
    "held || driver !== ''",
  ),
  foreign(
    "another driver's listing not awaited",
    'held && intentOf(pod, driver)?.fenced === true',
    "held && driver !== ''",
  ),
  detach(
    'hold dropped while pods use the volume',
    'usersOf(state, nodeName, volume.pv).length === 0 ?',
    'usersOf(state, nodeName, volume.pv).length >= 0 ?',
  ),
  detach(
    'out-of-service taint on strangers that leave',
    'if (others.some((pod) => pod.deleting)) return false;',
    'if (others.some((pod) => pod.mirror)) return false;',
  ),
  detach(
    'out-of-service taint on volumes that nobody wants',
    'return users.length > 0 && steady;',
    'return steady;',
  ),
  detach(
    'out-of-service taint without an end',
    "return now < since + outOfServiceCapMs ? 'fast' : over;",
    "return outOfServiceCapMs > 0 ? 'fast' : over;",
  ),
  failover(
    'withdrawn after the fence',
    'if (!isCommitted(episode) && withdraw(episode, wanted)) return;',
    'if ((!isCommitted(episode) || record.epoch !== "") && withdraw(episode, wanted)) return;',
  ),
  phase(
    'moved before the volumes are',
    'if (left.length > untouched.length || unfinished.length > 0',
    'if (left.length < untouched.length || unfinished.length > 0',
  ),
  begin(
    'strays not adopted',
    'if (holds.length === 0 && !tainted) return false;',
    'if (holds.length >= 0 || !tainted) return false;',
  ),
  decide(
    'marks of ended episodes left',
    'unmarkStrayPods(state, records, wanted);',
    'if (records.size > 0) unmarkStrayPods(state, records, wanted);',
  ),
];

/** Unknown read as yes or as no; evidence that is none. */
const evidence: readonly Mutant[] = [
  inFile('verify-revoked')(
    'failed listing read as yes',
    "if (reply.outcome.kind !== 'Done') return reply.outcome;",
    "if (reply.outcome.kind !== 'Done') return { kind: 'Done' };",
  ),
  verdict(
    'silence of the kubelet not needed',
    'if (now < silentAt) {',
    'if (now < silentAt - evidence.renewMs * 1.5) {',
  ),
  verdict(
    'lost after a third of the time',
    'if (agentSilence < state.policy.lostAfterMs) return agentQuiet',
    'if (agentSilence < state.policy.lostAfterMs / 3) return agentQuiet',
  ),
  verdict(
    'silence not restarted after a gap',
    'return Math.max(lease?.renewedAt ?? freshSince, freshSince);',
    'return lease?.renewedAt ?? freshSince;',
  ),
  verdict(
    'storm counted by Lost',
    "return isFailed(verdict) || verdict.kind === 'Suspect';",
    'return isFailed(verdict);',
  ),
  decide(
    'stale view believed',
    'if (stale !== undefined) decideBlindly',
    "if (stale?.detail === '') decideBlindly",
  ),
  release(
    'kubelet not asked before the release',
    'const why = kubeletDisagrees(episode, node, ofAll);',
    "const why = node.name === '' ? kubeletDisagrees(episode, node, ofAll) : undefined;",
  ),
  release(
    'released without attestation',
    'if (rebooted || isAttestedClean(episode)) return undefined;',
    "if (rebooted || node.ready === 'True' || isAttestedClean(episode)) return undefined;",
  ),
  {
    ...release(
      'attestation of another epoch believed',
      'return clean?.epoch === record.epoch && clean',
      'return clean !== undefined && record.v === 1 && clean',
    ),
    // After so long its agent knows of the new one.
    also: {
      file: 'src/controller-mode/release.ts',
      anchor: 'Math.max(memory.outOfServiceGoneAt ?? 0, memory.recordSeenAt)',
      replacement: '(memory.outOfServiceGoneAt ?? 0)',
    },
  },
  release(
    'attached volumes forgotten at the release',
    'if (attachment !== undefined) {',
    'if (attachment?.deleting === true && record.volumes.length === 0) {',
  ),
];

/** Preconditions dropped. */
const preconditions: readonly Mutant[] = [
  writeRecord(
    'intent without compare-and-swap',
    "return renewed === undefined || report?.kubelet !== 'dead';",
    "return renewed !== undefined && report?.kubelet !== 'dead';",
  ),
  writeRecord(
    'kubelet not read again before the intent',
    'if (kubelet.status === 200 && renewTime !== kubeletRenewTime) {',
    "if (kubelet.status === 200 && renewTime === '') {",
  ),
  writeRecord(
    'record written over',
    "if (is !== was) return failed('CHANGED', 'the record has changed since it was observed');",
    "if (is === '' && was !== '') return failed('CHANGED', 'the record has changed since it was observed');",
  ),
  writeRecord(
    'record removed under a taint',
    'if (api.taintsOf(node.body).some(({ key }) => key === action.taint)) {',
    "if (api.taintsOf(node.body).some(({ key }) => key === '')) {",
  ),
  act(
    'attachment deleted whatever its uid',
    "remove('volumeattachments', placeOf(attachment));",
    "remove('volumeattachments', { ...placeOf(attachment), uid: '' });",
  ),
  endPod(
    'pod deleted whatever its uid',
    "return yield* api.remove('pods', { ...pod, gracePeriodSeconds: 0 });",
    "return yield* api.remove('pods', { ...pod, uid: '', gracePeriodSeconds: 0 });",
  ),
  endPod(
    'evicted without a look at the intent',
    'if (intent?.uid === pod.uid && intent.epoch === epoch) return undefined;',
    "if (intent?.uid !== '' && epoch !== '') return undefined;",
  ),
  endPod(
    'node id not read again before the eviction',
    'yield* readOtherNodeId(action.node, driver, action.nodeIds);',
    'yield* readOtherNodeId(action.node, driver, []);',
  ),
  writeTaint('taints of others written over', '[...taints, taint]', '[taint]'),
  episode(
    'lock-delay of a new leader dropped',
    'return now < until ? until : undefined;',
    'return now < until && until < 0 ? until : undefined;',
  ),
];

/** The queue: nothing is done twice at once, or again before its effect could be seen. */
const queue: readonly Mutant[] = [
  {
    name: 'done is not held until observed',
    file: 'src/shared/workqueue.ts',
    anchor: 'entry.readyAt = now + queue.limits.holdMs;',
    replacement: 'entry.readyAt = now;',
    seeds: hard,
  },
  {
    name: 'failures tried again at once',
    file: 'src/shared/workqueue.ts',
    anchor: 'entry.readyAt = now + backoffMs(queue.limits, key, entry.failures);',
    replacement: 'entry.readyAt = now + 0 * backoffMs(queue.limits, key, entry.failures);',
    seeds: hard,
  },
];

/** Which of them only a close call shows. */
const inOneMoment: ReadonlySet<string> = new Set([
  'out-of-service taint on volumes that nobody wants',
  'out-of-service taint without an end',
  'marks of ended episodes left',
  'failed listing read as yes',
  'silence not restarted after a gap',
  'attestation of another epoch believed',
  'attached volumes forgotten at the release',
  'outage of everybody taken for silence',
  'outage of many taken for silence',
  'an adopted record stands for what it lists',
  "withdrawn after another driver's fence",
  'a deleted Lease read as silence',
  'node id not read again before the eviction',
  'an episode counts for a storm only when its record is seen',
  'kubelet not read again before the intent',
  'record written over',
  'record removed under a taint',
  'evicted without a look at the intent',
  'failures tried again at once',
]);

export const mutants: readonly Mutant[] = [
  ...withoutGuards,
  ...steps,
  ...evidence,
  ...relapses,
  ...healthMutants,
  ...preconditions,
  ...queue,
].map((mutant) => (inOneMoment.has(mutant.name) ? closeCall(mutant) : mutant));
