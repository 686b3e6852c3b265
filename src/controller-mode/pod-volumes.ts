import type { PvView } from '../shared/model.ts';
import type { FencedVolume } from '../shared/record.ts';

/** One claim of a pod, resolved as far as our view goes. */
export type ClaimedVolume =
  /** Of our driver, and PV and claim name each other. */
  | { readonly kind: 'ours'; readonly claim: string; readonly pv: PvView }
  /** Of another CSI driver: somebody else's to fence. */
  | { readonly kind: 'other-driver'; readonly claim: string; readonly pv: PvView }
  /** In-tree, local, NFS ...: nobody can fence it. */
  | {
      readonly kind: 'not-csi';
      readonly claim: string;
      readonly pv: PvView;
      readonly readOnly: boolean;
    }
  /** Claim or PV unknown, unbound, or not of each other: says nothing, so nothing may follow. */
  | { readonly kind: 'unresolved'; readonly claim: string };

/** The claims of a pod, and which volumes of our driver they come to. */
export interface PodVolumes {
  readonly claimed: readonly ClaimedVolume[];
  readonly ours: readonly FencedVolume[];
}
