/** The requests that actions are made of, and how their answers are read without trusting them. */
import type { Effect, Json, JsonObject, Performance, Reply, Resource } from '../shared/effect.ts';
import { holdFinalizer } from '../shared/names.ts';
import { done, outcomeOfHttp } from '../shared/outcome.ts';
import {
  asObject,
  listIn,
  objectIn,
  textIn,
  textMapIn,
  textsIn,
} from '../shared/untrusted-json.ts';

export interface Target {
  readonly namespace: string;
  readonly name: string;
}

export interface Found {
  readonly status: number;
  readonly body: JsonObject | undefined;
}

/** A consistent read: the API server asks etcd's quorum, not a cache. */
export function* get(
  resource: Resource,
  { namespace, name }: Target,
): Generator<Effect, Found, Reply> {
  return found(yield { target: 'kubernetes', verb: 'get', resource, namespace, name });
}

export function* create(resource: Resource, target: Target, body: JsonObject): Performance {
  const { namespace, name } = target;
  const request = {
    target: 'kubernetes',
    verb: 'create',
    resource,
    namespace,
    name,
    body,
  } as const;
  return outcomeOf(found(yield request), 'create');
}

/** A merge patch; `metadata.uid` and `metadata.resourceVersion` in it are preconditions. */
export function* patch(
  resource: Resource,
  { namespace, name }: Target,
  body: JsonObject,
  subresource?: 'status',
): Performance {
  const request = { target: 'kubernetes', verb: 'patch', resource, namespace, name, body } as const;
  const reply = yield subresource === undefined ? request : { ...request, subresource };
  return outcomeOf(found(reply), 'patch');
}

/** Deletes this very object. Gone already, or another one of its name: done. */
export function* remove(
  resource: Resource,
  target: Target & { readonly uid: string; readonly gracePeriodSeconds?: number },
): Performance {
  const { namespace, name, uid, gracePeriodSeconds } = target;
  const request = { target: 'kubernetes', verb: 'delete', resource, namespace, name, uid } as const;
  const answer = found(
    yield gracePeriodSeconds === undefined ? request : { ...request, gracePeriodSeconds },
  );
  if (answer.status === 404 || answer.status === 409) return done;
  return outcomeOf(answer, 'delete');
}

function found(reply: Reply): Found {
  return reply.target === 'kubernetes'
    ? { status: reply.status, body: reply.body }
    : { status: 0, body: undefined };
}

function outcomeOf({ status, body }: Found, verb: string): ReturnType<typeof outcomeOfHttp> {
  const message = textIn(body?.message);
  return outcomeOfHttp(status, message === '' ? verb : `${verb}: ${message}`);
}

export function objects(json: Json | undefined): JsonObject[] {
  return listIn(json)
    .map(asObject)
    .filter((entry) => entry !== undefined);
}

function metadataOf(body: JsonObject | undefined): JsonObject {
  return objectIn(body?.metadata);
}

export function uidOf(body: JsonObject | undefined): string {
  return textIn(metadataOf(body).uid);
}

/** Gone, or another object of the same name. */
export function isAnother(found: Found, uid: string): boolean {
  return found.status === 404 || (found.status === 200 && uidOf(found.body) !== uid);
}

export function resourceVersionOf(body: JsonObject | undefined): string {
  return textIn(metadataOf(body).resourceVersion);
}

export function isDeleting(body: JsonObject | undefined): boolean {
  return textIn(metadataOf(body).deletionTimestamp) !== '';
}

export function finalizersOf(body: JsonObject | undefined): readonly string[] {
  return textsIn(metadataOf(body).finalizers);
}

/** Carries our finalizer: the hold has been begun at least. */
export function isHeld(body: JsonObject | undefined): boolean {
  return finalizersOf(body).includes(holdFinalizer);
}

export function annotationsOf(body: JsonObject | undefined): Readonly<Record<string, string>> {
  return textMapIn(metadataOf(body).annotations);
}

export function isFinishedPod(body: JsonObject | undefined): boolean {
  const phase = textIn(asObject(body?.status)?.phase);
  return phase === 'Failed' || phase === 'Succeeded';
}

/** The conditions of an object but for one type, as they are. */
export function conditionsOf(body: JsonObject | undefined, without: string): JsonObject[] {
  return objects(asObject(body?.status)?.conditions).filter(({ type }) => type !== without);
}

/** spec.taints of a Node, as they are. */
export function taintsOf(body: JsonObject | undefined): JsonObject[] {
  return objects(asObject(body?.spec)?.taints);
}
