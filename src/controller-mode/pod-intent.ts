import type { PodView } from '../shared/model.ts';
import { intentAnnotation } from '../shared/names.ts';
import { type PodIntent, decodePodIntent } from '../shared/record.ts';

/** The intent of this driver's instance on this very pod; a copy on another one means nothing. */
export function intentOf(pod: PodView, driver: string): PodIntent | undefined {
  const intent = readIntent(pod, driver);
  return intent?.uid === pod.uid && intent.node === pod.nodeName ? intent : undefined;
}

/** What was read of each pod last: decisions ask for the same again and again. */
const lastRead = new WeakMap<PodView, { readonly text: string; readonly intent?: PodIntent }>();

/** What stands on the pod, whosever it is. */
export function readIntent(pod: PodView, driver: string): PodIntent | undefined {
  const text = pod.annotations[intentAnnotation(driver)];
  if (text === undefined) return undefined;
  const known = lastRead.get(pod);
  if (known?.text === text) return known.intent;
  const intent = decodePodIntent(text);
  lastRead.set(pod, { text, ...(intent && { intent }) });
  return intent;
}
