import type { Instant } from '../shared/clock.ts';
import { type VolumeHealth, worstHealth } from '../shared/health.ts';
import type { PodView } from '../shared/model.ts';
import type { KubeletWord } from './evidence.ts';
import type { State } from './state.ts';
import { claimedVolumes, isFinished } from './volumes.ts';

/**
 * What kubelets say of volumes in the status of pods (Kubernetes 1.37, gate CSIVolumeHealth). They
 * ask the same question of the same driver as our agent beside them, and write only what changes:
 * nobody can tell an old word from a young one. So it is told, and it counts against a move of
 * others, but it moves nothing by itself.
 */

/** By node and handle: what is adverse there now. */
export type KubeletView = ReadonlyMap<string, ReadonlyMap<string, VolumeHealth>>;

/** Remembers since when we see what a pod's status says. `pod` is undefined once it is gone. */
export function observeKubeletWords(
  state: State,
  key: string,
  pod: PodView | undefined,
  now: Instant,
): void {
  const before = state.kubeletWords.get(key);
  const volumes = pod?.volumes.filter((volume) => volume.kind === 'claim') ?? [];
  if (before === undefined && volumes.every(({ adverse }) => adverse === undefined)) return;
  const words = new Map<string, KubeletWord>();
  for (const { claim, adverse } of volumes) {
    const word = wordAfter(before?.get(claim), adverse, now);
    if (word !== undefined) words.set(claim, word);
  }
  if (words.size > 0) state.kubeletWords.set(key, words);
  else state.kubeletWords.delete(key);
}

function wordAfter(
  before: KubeletWord | undefined,
  health: VolumeHealth | undefined,
  now: Instant,
): KubeletWord | undefined {
  if (health === undefined) return before && { ...before, goneAt: before.goneAt ?? now };
  const isSame = before?.goneAt === undefined && before?.health.status === health.status;
  return { health, since: isSame ? before.since : now, goneAt: undefined };
}

/** One volume of ours that a pod's status says something of, or lately did. */
export interface KubeletSaying {
  readonly pod: PodView;
  readonly handle: string;
  readonly pv: string;
  readonly word: KubeletWord;
}

export function kubeletSayings(state: State): readonly KubeletSaying[] {
  const sayings: KubeletSaying[] = [];
  for (const [key, words] of state.kubeletWords) {
    const pod = state.pods.get(key);
    if (pod === undefined || pod.nodeName === '' || isFinished(pod)) continue;
    for (const volume of claimedVolumes(state, pod)) {
      const word = words.get(volume.claim);
      if (volume.kind !== 'ours' || word === undefined) continue;
      sayings.push({ pod, handle: volume.pv.handle, pv: volume.pv.name, word });
    }
  }
  return sayings;
}

export function kubeletView(state: State): KubeletView {
  const view = new Map<string, Map<string, VolumeHealth>>();
  for (const { pod, handle, word } of kubeletSayings(state)) {
    if (word.goneAt !== undefined) continue;
    const onNode = view.get(pod.nodeName) ?? new Map<string, VolumeHealth>();
    const said = onNode.get(handle);
    onNode.set(handle, said === undefined ? word.health : worstHealth([said, word.health]));
    view.set(pod.nodeName, onNode);
  }
  return view;
}
