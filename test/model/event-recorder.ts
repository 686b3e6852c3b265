import type { AnyObject } from './objects.ts';
import type { Store } from './store.ts';

export interface RecordedEvent {
  readonly about: AnyObject;
  readonly type: 'Normal' | 'Warning';
  readonly reason: string;
  readonly message: string;
  readonly component: string;
}

/** Writes an Event as Kubernetes' own controllers do; cluster-scoped objects' stand in `default`. */
export function recordEvent(store: Store, event: RecordedEvent): void {
  const { name, namespace = 'default', uid } = event.about.metadata;
  const timestamp = store.timestamp();
  store.create('events', {
    metadata: { generateName: `${name}.`, namespace },
    involvedObject: {
      apiVersion: event.about.apiVersion,
      kind: event.about.kind,
      namespace: event.about.metadata.namespace,
      name,
      uid,
    },
    reason: event.reason,
    message: event.message,
    type: event.type,
    count: 1,
    firstTimestamp: timestamp,
    lastTimestamp: timestamp,
    source: { component: event.component },
    reportingComponent: event.component,
  });
}
