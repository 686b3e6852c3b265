import type { Json, JsonObject } from '../../src/shared/effect.ts';

/** An Event of either API group (core/v1 or events.k8s.io/v1), reduced to what people are shown. */
export interface ShownEvent {
  readonly type: string;
  readonly reason: string;
  readonly from: string;
  readonly message: string;
  /** Wall-clock milliseconds of the last occurrence. */
  readonly at: number;
  readonly count: number;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
}

/** Reads an Event object; absent fields read as empty, as kubectl does. */
export function shownEvent(event: JsonObject): ShownEvent {
  const about = object(event['involvedObject'] ?? event['regarding']);
  const times = [
    object(event['series'])?.['lastObservedTime'],
    event['lastTimestamp'],
    event['deprecatedLastTimestamp'],
    event['eventTime'],
    event['firstTimestamp'],
    object(event['metadata'])?.['creationTimestamp'],
  ];
  const component = object(event['source'] ?? event['deprecatedSource'])?.['component'];
  return {
    type: text(event['type']),
    reason: text(event['reason']),
    from: text(component) || text(event['reportingController'] ?? event['reportingComponent']),
    message: text(event['message'] ?? event['note']).trim(),
    at: times.map((time) => Date.parse(text(time))).find((time) => !Number.isNaN(time)) ?? 0,
    count: Number(object(event['series'])?.['count'] ?? event['count'] ?? 1) || 1,
    kind: text(about?.['kind']),
    namespace: text(about?.['namespace']),
    name: text(about?.['name']),
    uid: text(about?.['uid']),
  };
}

/** The `Events:` block as `kubectl describe` prints it, in the order of time. */
export function describeEvents(events: readonly ShownEvent[], now: number): string {
  if (events.length === 0) return 'Events:  <none>\n';
  const rows = [
    ['Type', 'Reason', 'Age', 'From', 'Message'],
    ['----', '------', '----', '----', '-------'],
    ...events
      .toSorted((a, b) => a.at - b.at)
      .map((event) => [
        event.type,
        event.reason,
        age(event, now),
        event.from || '<unknown>',
        event.message,
      ]),
  ];
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => width(row[column]))));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) =>
        column === row.length - 1 ? cell : cell.padEnd((widths?.[column] ?? 0) + 2),
      )
      .join('');
  return ['Events:', ...rows.map((row) => `  ${line(row)}`)].join('\n').concat('\n');
}

/** One object's heading and Events. `fields` are printed above, aligned. */
export function describeObject(
  fields: readonly (readonly [string, string])[],
  events: readonly ShownEvent[],
  now: number,
): string {
  const margin = Math.max(...fields.map(([name]) => name.length)) + 3;
  const head = fields.map(([name, value]) => `${`${name}:`.padEnd(margin)}${value}`);
  return `${head.join('\n')}\n${describeEvents(events, now)}`;
}

/** How kubectl rounds a duration (apimachinery, duration.HumanDuration), up to hours. */
export function humanDuration(ms: number): string {
  const whole = Math.max(0, Math.floor(ms / 1000));
  if (whole < 120) return `${whole}s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 10) return whole % 60 === 0 ? `${minutes}m` : `${minutes}m${whole % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  return `${hours}h`;
}

function age(event: ShownEvent, now: number): string {
  const since = humanDuration(now - event.at);
  return event.count > 1 ? `${since} (x${event.count})` : since;
}

function width(cell: string | undefined): number {
  return cell?.length ?? 0;
}

function object(json: Json | undefined): JsonObject | undefined {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
    ? (json as JsonObject)
    : undefined;
}

function text(json: Json | undefined): string {
  return typeof json === 'string' ? json : '';
}
