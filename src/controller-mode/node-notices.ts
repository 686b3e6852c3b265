import type { Instant } from '../shared/clock.ts';
import type { Notice } from '../shared/mode.ts';
import { fencedTaint } from '../shared/names.ts';
import type { Episode } from './episode.ts';
import type { Situation } from './guards.ts';
import type { Hold } from './hold.ts';
import type { Verdict } from './verdict.ts';

/** The Events on Nodes, as those on pods and claims in notices.ts. */

/** The verdict of one node, where a person should know of it. */
export function nodeVerdict(situation: Situation, verdict: Verdict, incident: string): Notice[] {
  const sentences: Partial<Record<Verdict['kind'], string>> = {
    Lost: 'Neither the agent nor the kubelet of this node shows life; its labelled pods are moved.',
    KubeletDead:
      'The kubelet of this node is dead while the machine lives; its labelled pods are moved.',
    StorageLost:
      'This node cannot use volumes that the storage finds well; their labelled pods are moved.',
    AgentDown:
      'The csi-failover agent of this node shows no life while its kubelet does; nothing is moved.',
    DriverDown:
      'The CSI driver on this node does not answer; new pods are kept away, nothing is moved.',
  };
  const sentence = sentences[verdict.kind];
  if (sentence === undefined) return [];
  return aboutNode(situation, 'Warning', `Node${verdict.kind}`, {
    note: `${sentence} Reason: ${verdict.reason}. Driver ${situation.state.policy.driver}.`,
    key: `Node${verdict.kind}/${incident}`,
    word: verdict.reason,
  });
}

/** Kubernetes will move its pods by its own clock; for us it is no failure. */
export function nodeNotReady(situation: Situation, since: Instant): Notice[] {
  const { state, nodeName } = situation;
  return aboutNode(situation, 'Warning', 'NodeNotReady', {
    note:
      'Its Ready condition is False while its agent and its kubelet show life; nothing is moved. ' +
      `The condition says what is wrong. Driver ${state.policy.driver}.`,
    key: `NodeNotReady/${state.nodes.get(nodeName)?.bootId ?? ''}`,
    word: 'Ready=False',
    ...(since > state.leadingSince ? { again: String(Math.round(since)) } : {}),
  });
}

/** An episode stands: the node is kept from new pods until it is proven clean. */
export function nodeFenced({ situation, record }: Episode): Notice[] {
  const taint = fencedTaint(situation.state.policy.driver);
  return aboutNode(situation, 'Warning', 'NodeFenced', {
    note:
      `This node has failed (${record.reason}). Taint ${taint} keeps new pods away until it has ` +
      `proven to be clean. Epoch ${record.epoch}.`,
    key: `NodeFenced/${record.epoch}`,
    word: 'fenced',
  });
}

/** Failed over, and not given back yet: why. */
export function nodeKept({ situation, record }: Episode, why: Hold): Notice[] {
  return aboutNode(situation, 'Normal', 'NodeKeptFenced', {
    note:
      `Failover is done; this node stays tainted. ${why.word}: ${why.detail}. A person can end ` +
      `it with annotation csi-failover.io/release=${record.epoch}.`,
    key: `NodeKeptFenced/${why.word}/${record.epoch}`,
    word: why.word,
  });
}

/** It may be given back, and the API does not let us. */
export function nodeStillTainted({ situation, record }: Episode, why: Hold): Notice[] {
  return aboutNode(situation, 'Warning', 'NodeKeptFenced', {
    note: `Nothing keeps this node any more, but it is still tainted. ${why.word}: ${why.detail}.`,
    key: `NodeKeptFenced/${why.word}/${record.epoch}`,
    word: why.word,
  });
}

/** Given back to the scheduler, or the intent was taken back. */
export function nodeReleased({ situation, record }: Episode): Notice[] {
  const withdrawn = record.reason === 'withdrawn';
  return aboutNode(situation, 'Normal', withdrawn ? 'FailoverWithdrawn' : 'NodeReleased', {
    note: withdrawn
      ? `This node showed life again before anything was taken away from it. Epoch ${record.epoch}.`
      : `This node has proven to be clean and takes new pods again. Epoch ${record.epoch}.`,
    key: `NodeReleased/${record.epoch}`,
    word: withdrawn ? 'withdrawn' : 'released',
  });
}

function aboutNode(
  { state, nodeName }: Situation,
  type: Notice['type'],
  reason: string,
  text: Pick<Notice, 'note' | 'key' | 'word' | 'again'>,
): Notice[] {
  const node = state.nodes.get(nodeName);
  if (node === undefined) return [];
  const about = { kind: 'Node', namespace: '', name: node.name, uid: node.uid } as const;
  return [{ about, type, reason, ...text }];
}
