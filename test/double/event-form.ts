/** Events are stored once and shown in two forms: core/v1 and events.k8s.io/v1. */
import type { Json, JsonObject } from '../../src/shared/effect.ts';
import { isObject } from '../model/json.ts';
import { qualifiedName } from '../model/validation.ts';

export const eventsGroup = 'events.k8s.io';

/** [core/v1 field, events.k8s.io/v1 field]; all others have the same name in both. */
const renamed: readonly (readonly [string, string])[] = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['reportingComponent', 'reportingController'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
];

export function toCoreEvent(event: JsonObject): JsonObject {
  return rename(
    event,
    renamed.map(([core, modern]) => [modern, core]),
  );
}

export function fromCoreEvent(event: JsonObject): JsonObject {
  return { ...rename(event, renamed), apiVersion: `${eventsGroup}/v1` };
}

function rename(event: JsonObject, pairs: readonly (readonly [string, string])[]): JsonObject {
  const names = new Map(pairs);
  const result: Record<string, Json | undefined> = {};
  for (const [key, value] of Object.entries(event)) result[names.get(key) ?? key] = value;
  return result;
}

/** A new event must say when, what and by whom (events.k8s.io validation); else why not. */
export function invalidModernEvent(event: JsonObject): string | undefined {
  for (const field of ['eventTime', 'reportingController', 'reportingInstance', 'action']) {
    if (typeof event[field] !== 'string' || event[field] === '') return `${field}: Required value`;
  }
  if (typeof event.reason !== 'string' || event.reason === '') return 'reason: Required value';
  const long = ['reportingInstance', 'action', 'reason'].find(
    (field) => (event[field] as string).length > 128,
  );
  if (long !== undefined) return `${long}: can have at most 128 characters`;
  if (!qualifiedName(event.reportingController as string)) {
    return 'reportingController: Invalid value: not a qualified name';
  }
  if (event.type !== 'Normal' && event.type !== 'Warning') return 'type: Invalid value';
  const { note } = event;
  if (typeof note === 'string' && note.length > 1024) return 'note: can have at most 1024 bytes';
  // Only an Event about something without a namespace has to stand in a certain one.
  const { regarding } = event;
  const metadata = isObject(event.metadata) ? event.metadata : {};
  if (isObject(regarding) && (regarding.namespace ?? '') !== '') return undefined;
  if (['default', 'kube-system'].includes(metadata.namespace as string)) return undefined;
  return 'involvedObject.namespace: Invalid value: does not match event.namespace';
}
