/** What people and others than us do in scenario files. */
import type { JsonObject } from '../../src/shared/effect.ts';
import { heartbeatLease, releaseAnnotation, switchConfigMap } from '../../src/shared/names.ts';
import { recordOf } from './fence-records.ts';
import type { Command, Stage } from './stage.ts';
import type { Words } from './stage-words.ts';

export const peopleCommands: Readonly<Record<string, Command>> = {
  'delete-node': ({ world }, { plain: [name = ''] }) => void world.store.delete('nodes', { name }),
  /** `delete-pod db-0 force`: with no grace at all, which does not wait for the kubelet. */
  'delete-pod': ({ world }, { plain: [name = '', force] }) => {
    const place = { namespace: 'default', name };
    world.store.delete('pods', place, force === undefined ? {} : { gracePeriodSeconds: 0 });
  },
  'keep-pod': ({ world }, { plain: [name = ''] }) =>
    void world.store.patch('pods', { namespace: 'default', name }, { metadata: keeping }),
  'delete-lease': ({ world, instance }, { plain: [name = ''] }) =>
    void world.store.delete('leases', {
      namespace: 'default',
      name: heartbeatLease(instance.plan.name, name),
    }),
  twin: (stage, words) => twin(stage, words),
  cordon: (stage, { plain: [name = ''] }) => cordon(stage, name, true),
  taint: (stage, words) => taint(stage, words),
  release: (stage, words) => release(stage, words),
  /** `annotate nodes a key=value` */
  annotate: ({ world }, { all: [resource, name = '', pair = ''] }) => {
    const [key = '', value = ''] = pair.split('=');
    const kind = resource === 'namespaces' ? resource : 'nodes';
    world.store.patch(kind, { name }, { metadata: { annotations: { [key]: value } } });
  },
  /** `configmap paused=true`; `configmap off` */
  configmap: (stage, words) => setSwitches(stage, words),
};

const keeping = { finalizers: ['example.com/keep'] };

export function cordon({ world }: Stage, name: string, unschedulable: boolean): void {
  const body = { spec: { unschedulable: unschedulable ? true : null } };
  world.store.patch('nodes', { name }, body);
}

/** Another machine that goes by the same name renews the heartbeat, once. */
function twin({ world: { store }, instance }: Stage, { plain: [name = ''] }: Words): void {
  const place = { namespace: 'default', name: heartbeatLease(instance.plan.name, name) };
  const spec = { holderIdentity: `${name}/twin`, renewTime: store.microTimestamp() };
  store.patch('leases', place, { spec });
}

/** `taint a key value` of somebody else; `taint a off` takes all of them away, ours included. */
function taint({ world: { store } }: Stage, words: Words): void {
  const [name = '', key = '', value = ''] = words.plain;
  const taints = store.find('nodes', name)?.spec?.taints ?? [];
  if (key === 'off') {
    store.patch('nodes', { name }, { spec: { taints: [] } });
    return;
  }
  const one = { key, effect: 'NoSchedule', ...(value === '' ? {} : { value }) };
  store.patch('nodes', { name }, { spec: { taints: [...taints, one] } });
}

function release({ world, instance }: Stage, { plain: [name = ''] }: Words): void {
  const epoch = recordOf(world, instance.plan.name, name)?.epoch ?? '';
  const annotations = { [releaseAnnotation]: epoch };
  world.store.patch('nodes', { name }, { metadata: { annotations } });
}

function setSwitches({ world: { store } }: Stage, words: Words): void {
  const metadata = { namespace: 'default', name: switchConfigMap };
  store.delete('configmaps', metadata);
  if (words.has('off')) return;
  const data: JsonObject = Object.fromEntries(words.all.map((pair) => pair.split('=')));
  store.create('configmaps', { metadata, data });
}
