import type { StorageWord } from './storage-view.ts';

/**
 * Where a volume's trouble lies, weighed from three views: that of the node that reports it, that
 * of the storage, and that of the other nodes. "Abnormal" alone does not mean "move the pod": most
 * of what drivers call so would follow the pod to any other node.
 */

export type Scope =
  | 'none'
  /** This volume, on this node. */
  | 'volume-on-node'
  /** The node's way to the storage. */
  | 'node-storage'
  /** The volume itself, wherever it is used. */
  | 'volume'
  /** The storage, or the network before it, for many nodes at once. */
  | 'backend'
  /** The storage's management; its data path may be well. */
  | 'control-plane'
  /** The views do not suffice to tell. */
  | 'unknown';

export const nodeWords = ['good', 'unknown', 'worse', 'kubelet-only', 'brief', 'bad'] as const;
export const reachWords = ['one', 'most', 'storage-down'] as const;
export const storageWords = [
  'good',
  'bad',
  'mass',
  'unreachable',
  'stale',
  'not-offered',
  'unknown',
] as const satisfies readonly StorageWord[];
export const otherWords = ['none', 'good', 'several'] as const;

/** The three views of one volume's trouble, in words. */
export interface Views {
  /**
   * What the node that reports says of the volume. `worse`: data loss or degraded, which is not a
   * matter of access. `kubelet-only`: the status of a pod says that it is bad, its agent does not.
   * `brief`: bad, but not yet for --unhealthy-after.
   */
  readonly node: (typeof nodeWords)[number];
  /** How far the trouble on that node reaches. */
  readonly reach: (typeof reachWords)[number];
  /** The storage's view of the volume, by the driver's controller service. */
  readonly storage: StorageWord;
  /**
   * `good`: one of them sees volumes of the driver that are well. `several`: one of them reports
   * this volume bad, too, or more nodes are in trouble than --max-lost-nodes.
   */
  readonly others: (typeof otherWords)[number];
}

export interface Rule {
  /** What must hold; a view that is not named may be any. */
  readonly when: { readonly [View in keyof Views]?: readonly Views[View][] };
  readonly scope: Scope;
  /**
   * `move`: the pods that use the volume there, after one confirming question to the storage where
   * it answers any. `ask`: the storage is asked; nothing moves before it has said that the volume
   * is well. `never`: people are told.
   */
  readonly moves: 'move' | 'ask' | 'never';
  /** One clause, for people. */
  readonly why: string;
}

const notUnderstood: Rule = {
  when: {},
  scope: 'unknown',
  moves: 'never',
  why: 'these views together are not understood',
};

/** The first that fits counts. The last one fits everything. `docs/evidence.md` is made of it. */
export const rules: readonly Rule[] = [
  {
    when: { node: ['good'] },
    scope: 'none',
    moves: 'never',
    why: 'the node reports no trouble with it',
  },
  {
    when: { node: ['unknown'] },
    scope: 'unknown',
    moves: 'never',
    why: 'the node could not tell, which is neither good nor bad',
  },
  {
    when: { node: ['worse'] },
    scope: 'volume',
    moves: 'never',
    why: 'data loss and degraded storage are the same on every node',
  },
  {
    when: { storage: ['mass'] },
    scope: 'control-plane',
    moves: 'never',
    why: 'the storage calls most of its volumes abnormal at once, so its word on one means nothing',
  },
  {
    when: { storage: ['bad'] },
    scope: 'volume',
    moves: 'never',
    why: 'the storage, too, says that the volume is bad, so no other node would do better',
  },
  {
    when: { others: ['several'] },
    scope: 'backend',
    moves: 'never',
    why: 'other nodes have the same trouble, so the storage or the way to it has failed for all',
  },
  {
    when: { node: ['kubelet-only'] },
    scope: 'unknown',
    moves: 'never',
    why: 'the kubelet alone says so, and nobody knows how old its word is: the agent does not',
  },
  {
    when: { node: ['brief'] },
    scope: 'unknown',
    moves: 'never',
    why: 'the trouble has not lasted for --unhealthy-after yet',
  },
  {
    when: { storage: ['unreachable'] },
    scope: 'unknown',
    moves: 'ask',
    why: "the storage's own view is missing: asking the driver's controller for it failed",
  },
  {
    when: { storage: ['stale'] },
    scope: 'unknown',
    moves: 'ask',
    why: "the storage's own view is missing: the last one is too old",
  },
  {
    when: { storage: ['unknown'] },
    scope: 'unknown',
    moves: 'ask',
    why: "the storage's own view is missing: the driver's controller has no word on this volume",
  },
  {
    when: { storage: ['not-offered'], others: ['none'] },
    scope: 'unknown',
    moves: 'never',
    why:
      'every other view is missing: the driver tells no health of volumes by its controller, and ' +
      'no other node has a volume of it that is known to be well',
  },
  {
    when: { node: ['bad'], reach: ['one'], storage: ['good'] },
    scope: 'volume-on-node',
    moves: 'move',
    why: 'the storage says that the volume is well, so it is this node that cannot use it',
  },
  {
    when: { node: ['bad'], reach: ['most', 'storage-down'], storage: ['good'] },
    scope: 'node-storage',
    moves: 'move',
    why: 'the storage says that the volume is well, and this node has lost most of its volumes',
  },
  {
    when: { node: ['bad'], reach: ['one'], storage: ['not-offered'], others: ['good'] },
    scope: 'volume-on-node',
    moves: 'move',
    why: 'other nodes use volumes of the same driver well; the driver tells nothing of its own',
  },
  {
    when: {
      node: ['bad'],
      reach: ['most', 'storage-down'],
      storage: ['not-offered'],
      others: ['good'],
    },
    scope: 'node-storage',
    moves: 'move',
    why: 'other nodes use volumes of the same driver well, and this node has lost most of its own',
  },
  notUnderstood,
];

/** The rule for these views. */
export function ruleFor(views: Views): Rule {
  return rules.find((rule) => fits(rule, views)) ?? notUnderstood;
}

function fits({ when }: Rule, views: Views): boolean {
  return (
    (when.node?.includes(views.node) ?? true) &&
    (when.reach?.includes(views.reach) ?? true) &&
    (when.storage?.includes(views.storage) ?? true) &&
    (when.others?.includes(views.others) ?? true)
  );
}
