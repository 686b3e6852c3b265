/** What happens to a simulated cluster, as sentences: the trace of a seed and of a scenario. */
import {
  attacherFinalizer,
  domain,
  fenceAnnotation,
  holdFinalizer,
  outOfServiceTaint,
} from '../../src/shared/names.ts';
import { decodeFenceRecord } from '../../src/shared/record.ts';
import { conditionStatus } from '../model/conditions.ts';
import type { StoreEvent } from '../model/event-log.ts';
import type { Lease, Node, Pod, VolumeAttachment } from '../model/objects.ts';

/** Undefined: nothing that is worth a sentence. */
export function sentenceOf(event: StoreEvent): string | undefined {
  switch (event.resource) {
    case 'pods':
      return podSentence(event as StoreEvent<'pods'>);
    case 'nodes':
      return nodeSentence(event as StoreEvent<'nodes'>);
    case 'volumeattachments':
      return attachmentSentence(event as StoreEvent<'volumeattachments'>);
    case 'leases':
      return leaseSentence(event as StoreEvent<'leases'>);
    default:
      return undefined;
  }
}

function podSentence({ type, object, old }: StoreEvent<'pods'>): string | undefined {
  const name = `pod ${object.metadata.name}`;
  if (type === 'ADDED') return `${name} is created`;
  if (type === 'DELETED') return `${name} is gone`;
  const before = old as Pod | undefined;
  const said: string[] = [];
  const { nodeName = '' } = object.spec;
  if (nodeName !== (before?.spec.nodeName ?? '')) said.push(`is bound to ${nodeName}`);
  const phase = object.status?.phase ?? '';
  if (phase !== (before?.status?.phase ?? '')) said.push(`is ${phase} on ${nodeName}`);
  const { deletionTimestamp } = object.metadata;
  if (deletionTimestamp !== undefined && before?.metadata.deletionTimestamp === undefined) {
    said.push('is being deleted');
  }
  const marks = (pod: Pod | undefined): number =>
    Object.keys(pod?.metadata.annotations ?? {}).filter((key) => key.startsWith('intent.')).length;
  const [was, is] = [marks(before), marks(object)];
  if (is > was) said.push('is marked');
  if (is < was) said.push('is unmarked');
  return said.length === 0 ? undefined : `${name} ${said.join(', ')}`;
}

function nodeSentence({ type, object, old }: StoreEvent<'nodes'>): string | undefined {
  const name = `node ${object.metadata.name}`;
  if (type === 'ADDED') return `${name} is created`;
  if (type === 'DELETED') return `${name} is gone`;
  const before = old as Node | undefined;
  const said: string[] = [];
  const ready = conditionStatus(object, 'Ready');
  if (ready !== (before && conditionStatus(before, 'Ready'))) said.push(`is Ready=${ready}`);
  const [was, is] = [taintWords(before), taintWords(object)];
  said.push(...is.filter((one) => !was.includes(one)).map((one) => `is tainted ${one}`));
  said.push(...was.filter((one) => !is.includes(one)).map((one) => `is rid of taint ${one}`));
  return said.length === 0 ? undefined : `${name} ${said.join(', ')}`;
}

/** Kubernetes' own come and go with readiness, which is told already. */
function taintWords(node: Node | undefined): readonly string[] {
  return (node?.spec?.taints ?? []).flatMap(({ key, value = '' }) => {
    if (key === outOfServiceTaint) {
      return [value.startsWith('csi-failover.') ? 'out-of-service' : `out-of-service=${value}`];
    }
    if (!key.includes(domain)) return key.includes('node.kubernetes.io/') ? [] : [key];
    return [key.replace(`.${domain}/`, ' ')];
  });
}

function attachmentSentence({
  type,
  object,
  old,
}: StoreEvent<'volumeattachments'>): string | undefined {
  const pv = object.spec.source.persistentVolumeName ?? '';
  const name = `attachment of ${pv} to ${object.spec.nodeName}`;
  if (type === 'ADDED') return `${name} is created`;
  if (type === 'DELETED') return `${name} is gone`;
  const is = stagesOf(object);
  const was = old === undefined ? [] : stagesOf(old as VolumeAttachment);
  const said = is.filter((stage) => !was.includes(stage));
  return said.length === 0 ? undefined : `${name} is ${said.join(', ')}`;
}

function stagesOf({ metadata, spec, status }: VolumeAttachment): readonly string[] {
  const finalizers = metadata.finalizers ?? [];
  const ours = finalizers.includes(holdFinalizer);
  const deleting = metadata.deletionTimestamp !== undefined;
  const let_go = !finalizers.includes(attacherFinalizer(spec.attacher));
  return [
    ...(status?.attached === true ? ['attached'] : []),
    ...(ours && !deleting ? ['about to be held'] : []),
    ...(ours && deleting && !let_go ? ['being fenced'] : []),
    ...(ours && deleting && let_go ? ['held'] : []),
    ...(!ours && deleting ? ['being detached'] : []),
    ...(status?.detachError === undefined ? [] : ['refused']),
  ];
}

function leaseSentence({ type, object, old }: StoreEvent<'leases'>): string | undefined {
  // So it is with all renewals, and reading a record takes its time.
  if (type === 'MODIFIED' && recordText(object) === recordText(old as Lease)) return undefined;
  const is = type === 'DELETED' ? '' : phaseOf(object);
  const was = phaseOf(old as Lease | undefined);
  if (is === was) return undefined;
  const { name } = object.metadata;
  return is === '' ? `record on ${name} is removed` : `record on ${name} says ${is}`;
}

function recordText(lease: Lease | undefined): string | undefined {
  return lease?.metadata.annotations?.[fenceAnnotation];
}

function phaseOf(lease: Lease | undefined): string {
  const record = decodeFenceRecord(recordText(lease));
  if (record === undefined) return '';
  const volumes = record.volumes.map(({ pv }) => pv).join(' ');
  return `${record.phase} (${record.reason}) of ${volumes === '' ? 'all volumes' : volumes}`;
}
