import type { Json, JsonObject } from '../effect.ts';
import { numberIn, objectIn, textIn } from '../untrusted-json.ts';

/** One line of a watch, understood as far as a watcher needs it. */
export type WatchEvent =
  | { readonly kind: 'Changed'; readonly object: ObjectJson }
  | { readonly kind: 'Deleted'; readonly object: ObjectJson }
  | {
      readonly kind: 'Bookmark';
      readonly resourceVersion: string;
      /** The last of the objects that existed when the watch began was sent before this. */
      readonly initialEventsEnd: boolean;
    }
  /** The server ends the watch; 410: our resourceVersion is too old. */
  | { readonly kind: 'Error'; readonly code: number; readonly message: string }
  /** Not to be understood: whatever it told us, we missed. */
  | { readonly kind: 'Garbage'; readonly reason: string };

/** An object whose identity was checked; everything else in it is as it came. */
export interface ObjectJson {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
  readonly json: JsonObject;
}

/** KEP-3157: set on the bookmark that follows the initial events. */
const initialEventsEndAnnotation = 'k8s.io/initial-events-end';

/** Understands one line; undefined stands for a line that was too long. Never throws. */
export function parseWatchEvent(line: string | undefined): WatchEvent {
  if (line === undefined) return { kind: 'Garbage', reason: 'line too long' };
  let json: JsonObject;
  try {
    json = objectIn(JSON.parse(line) as Json);
  } catch {
    return { kind: 'Garbage', reason: 'not JSON' };
  }
  switch (textIn(json.type)) {
    case 'ADDED':
    case 'MODIFIED':
      return changed('Changed', json.object);
    case 'DELETED':
      return changed('Deleted', json.object);
    case 'BOOKMARK':
      return bookmark(json.object);
    case 'ERROR': {
      const status = objectIn(json.object);
      return { kind: 'Error', code: numberIn(status.code), message: textIn(status.message) };
    }
    default:
      return { kind: 'Garbage', reason: 'unknown type of event' };
  }
}

/** Undefined for something without name, uid or resourceVersion, which no stored object lacks. */
export function identified(json: Json | undefined): ObjectJson | undefined {
  const object = objectIn(json);
  const metadata = objectIn(object.metadata);
  const name = textIn(metadata.name);
  const uid = textIn(metadata.uid);
  const resourceVersion = textIn(metadata.resourceVersion);
  if (name === '' || uid === '' || resourceVersion === '') return undefined;
  return { namespace: textIn(metadata.namespace), name, uid, resourceVersion, json: object };
}

function changed(kind: 'Changed' | 'Deleted', json: Json | undefined): WatchEvent {
  const object = identified(json);
  return object === undefined
    ? { kind: 'Garbage', reason: 'an object without name, uid or resourceVersion' }
    : { kind, object };
}

function bookmark(json: Json | undefined): WatchEvent {
  const metadata = objectIn(objectIn(json).metadata);
  const resourceVersion = textIn(metadata.resourceVersion);
  if (resourceVersion === '') {
    return { kind: 'Garbage', reason: 'a bookmark without resourceVersion' };
  }
  const annotations = objectIn(metadata.annotations);
  return {
    kind: 'Bookmark',
    resourceVersion,
    initialEventsEnd: annotations[initialEventsEndAnnotation] === 'true',
  };
}
