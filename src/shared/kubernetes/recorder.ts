import { CoreV1Api, type CoreV1Event, V1MicroTime } from '@kubernetes/client-node';
import type { Clock } from '../clock.ts';
import type { Notice } from '../mode.ts';
import { domain, fnv1a } from '../names.ts';
import { done, type Outcome, outcomeOfHttp, unknown } from '../outcome.ts';
import { describe } from './http-message.ts';
import type { Transport } from './transport.ts';
import { typedApi } from './typed-api.ts';

export interface RecorderOptions {
  /** One of its own, limited by `eventLimit`: Events must not take the place of what saves pods. */
  readonly transport: Pick<Transport, 'request'>;
  /** `controller` or `node`. */
  readonly mode: string;
  /** Who of several: the name of the pod. */
  readonly instance: string;
  readonly clock: Clock;
}

export const eventLimit = { perSecond: 25, burst: 100 };

const deadlineMs = 10_000;
/** apimachinery pkg/util/validation DNS1123SubdomainMaxLength. */
const maxNameLength = 253;
/** apis/core/validation/events.go: NoteLengthLimit, and 128 for instance, action and reason. */
const maxNoteBytes = 1024;
const maxWordLength = 128;

/**
 * Writes notices as Events. core/v1 rather than events.k8s.io/v1, which stores the same objects:
 * kubectl describe reads and sorts by core/v1 fields (lastTimestamp) that the newer form does not
 * let a client set.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #api: CoreV1Api;

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#api = typedApi(CoreV1Api, options.transport, deadlineMs);
  }

  /**
   * Done if the Event exists now: written by us, or earlier by another replica or before a
   * restart, because the name follows from the object's uid and the notice's key. Never rejects.
   */
  async record(notice: Notice): Promise<Outcome> {
    const first = await this.#create(notice);
    if (notice.again === undefined || first.kind === 'Done' || first.code !== 'HTTP_409') {
      return asWritten(first);
    }
    const key = `${notice.key}/${this.#options.instance}/${notice.again}`;
    return asWritten(await this.#create({ ...notice, key }));
  }

  async #create(notice: Notice): Promise<Outcome> {
    const body = this.#event(notice);
    try {
      await this.#api.createNamespacedEvent({ namespace: namespaceOf(notice), body });
      return outcomeOfHttp(201, '');
    } catch (error) {
      const { code } = error as { code?: unknown };
      if (typeof code !== 'number') return unknown('NO_ANSWER', describe(error));
      return outcomeOfHttp(code, `HTTP ${code}`);
    }
  }

  #event(notice: Notice): CoreV1Event {
    const { mode, instance, clock } = this.#options;
    const { kind, namespace, name, uid } = notice.about;
    const now = new V1MicroTime(clock.wallTime());
    return {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { namespace: namespaceOf(notice), name: eventName(notice) },
      involvedObject: {
        apiVersion: kind === 'CSIDriver' ? 'storage.k8s.io/v1' : 'v1',
        kind,
        name,
        uid,
        ...(namespace === '' ? {} : { namespace }),
      },
      type: notice.type,
      reason: cut(notice.reason, maxWordLength),
      message: cut(notice.note, maxNoteBytes),
      action: cut(notice.word, maxWordLength) || 'Observe',
      eventTime: now,
      firstTimestamp: now,
      lastTimestamp: now,
      count: 1,
      source: { component: 'csi-failover' },
      reportingComponent: `${domain}/${mode}`,
      reportingInstance: cut(instance, maxWordLength) || mode,
    };
  }
}

/** An Event of this name is there: it says the same. */
function asWritten(outcome: Outcome): Outcome {
  return outcome.kind === 'Failed' && outcome.code === 'HTTP_409' ? done : outcome;
}

/** Events of cluster-scoped objects stand in `default` (apis/core/validation/events.go). */
function namespaceOf(notice: Notice): string {
  return notice.about.namespace === '' ? 'default' : notice.about.namespace;
}

/** The same for the same object and key, whoever asks: `<object name>.<hash of uid and key>`. */
export function eventName(notice: Notice): string {
  const suffix = `.${fnv1a(notice.about.uid)}${fnv1a(notice.key)}`;
  const name = notice.about.name.slice(0, maxNameLength - suffix.length);
  // Each part of a DNS name ends with a letter or digit.
  return `${name.replace(/[^a-z0-9]+$/, '')}${suffix}`;
}

/** At most so many bytes of UTF-8; what was cut off ends with an ellipsis. */
function cut(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text;
  const ellipsis = '…';
  const room = maxBytes - Buffer.byteLength(ellipsis);
  // An incomplete character at the end decodes to U+FFFD.
  const kept = Buffer.from(text)
    .subarray(0, room)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
  return `${kept}${ellipsis}`;
}
