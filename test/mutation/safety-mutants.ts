import type { Mutation } from './mutated-tree.ts';

/** A safety step left out, and the sentence by which a checker must notice it. */
export interface SafetyMutant extends Mutation {
  readonly caughtBy: RegExp;
  /** `real`: on the real control plane; else the double suffices, which also keeps bodies. */
  readonly plane: 'double' | 'real';
}

export const safetyMutants: readonly SafetyMutant[] = [
  {
    name: 'no own taint',
    file: 'src/controller-mode/episode.ts',
    anchor: 'return hasFencedTaint(node, situation.state.policy.driver);',
    replacement: 'return !hasFencedTaint(node, situation.nodeName);',
    caughtBy: /could still take pods/,
    plane: 'real',
  },
  {
    name: 'hold skipped',
    file: 'src/controller-mode/act.ts',
    anchor: 'finalizers: [...finalizers, holdFinalizer],',
    replacement: 'finalizers: [...finalizers],',
    caughtBy: /was deleted without a hold/,
    plane: 'double',
  },
  {
    name: 'confirmation ignored',
    file: 'src/controller-mode/volumes.ts',
    anchor: "if (holdOf(attachment) !== 'held') return false;",
    replacement: "if (holdOf(attachment) !== 'free') return true;",
    also: {
      file: 'src/controller-mode/end-pod.ts',
      anchor: 'api.finalizersOf(found.body).length === 1 && api.isHeld(found.body);',
      replacement: 'api.isHeld(found.body);',
    },
    caughtBy: /wrote after it was replaced/,
    plane: 'real',
  },
  {
    name: 'no uid precondition',
    file: 'src/shared/kubernetes/client.ts',
    anchor: 'preconditions: { uid },',
    replacement: "preconditions: uid === '' ? { uid } : {},",
    caughtBy: /^DELETE \S+ without uid$/,
    plane: 'double',
  },
  {
    name: 'out-of-service taint kept',
    file: 'src/controller-mode/detach.ts',
    anchor: 'if (!useful) clearOutOfService(node, situation, wanted);',
    replacement: "if (node.name === '') clearOutOfService(node, situation, wanted);",
    caughtBy: /out-of-service taint has stood/,
    plane: 'double',
  },
  {
    name: 'shared volume ignored',
    file: 'src/controller-mode/volumes.ts',
    anchor: 'filter((pod) => pod.nodeName === nodeName)',
    replacement: 'filter((pod) => pod.selected && pod.nodeName === nodeName)',
    caughtBy: /was taken away under/,
    plane: 'double',
  },
];
