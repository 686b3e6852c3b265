/** The rights of the worked example on a real API server: what they allow, and what they forbid. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createReflectors } from '../../src/controller-mode/sources.ts';
import { performKubernetes } from '../../src/shared/kubernetes/client.ts';
import { HeartbeatLease } from '../../src/shared/kubernetes/heartbeat-lease.ts';
import { LeaderLease } from '../../src/shared/kubernetes/leader-lease.ts';
import { Recorder } from '../../src/shared/kubernetes/recorder.ts';
import { fenceAnnotation, heartbeatLease } from '../../src/shared/names.ts';
import { systemClock } from '../../src/shared/system-clock.ts';
import type { Transport } from '../../src/shared/kubernetes/transport.ts';
import { Audit } from '../cluster/audit.ts';
import type { ApiAnswer, ApiClient } from '../machine/api-client.ts';
import { eventually } from '../machine/eventually.ts';
import { type AnyObject, kinds, type ResourceName } from '../model/objects.ts';
import { silentLog } from '../silent-log.ts';
import { driverNamespace } from '../unit/manifests/actions.ts';
import { type Access, accessOfActuator } from '../unit/manifests/requests.ts';
import {
  agentAccount,
  apply,
  controllerAccount,
  driver,
  exampleFolder,
  namespace,
  render,
} from './rendered.ts';
import { RightsStage } from './rights-stage.ts';
import { heartbeatOf, leaseThefts, mark, moreLeaseThefts, otherThefts } from './thefts.ts';

/** Long enough for the names of their Leases to be cut, and alike as far as those go. */
const longNodes = ['-one', '-two'].map((end) => `${'n'.repeat(230)}${end}`);
const [longA = '', longB = ''] = longNodes;
const nodes = ['rights-a', 'rights-b', 'rights-c', ...longNodes];
const record = '{"v":1,"epoch":"7","phase":"Fenced"}';

let stage: RightsStage;

beforeAll(async () => {
  stage = await RightsStage.open();
  const { admin, cluster } = stage;
  await admin.create('namespaces', { metadata: { name: namespace } });
  await apply(cluster, await render(cluster, exampleFolder), 'for real');
  for (const node of nodes) await stage.addNode(node);
  await stage.furnish();
}, 120_000);
afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

it('the policy is free of mistakes in its types', async () => {
  const group = '/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies';
  const checked = await eventually(
    async () => {
      const { object } = await stage.admin.call<{ readonly status?: { typeChecking?: object } }>(
        'GET',
        `${group}/csi-failover-node-agent-test-driver`,
      );
      return object?.status?.typeChecking;
    },
    { what: 'the controller manager to check the policy' },
  );
  expect(checked).toEqual({});
}, 20_000);

describe('the controller', () => {
  let transport: Transport;
  let api: ApiClient;

  beforeAll(async () => {
    const token = await stage.controllerToken();
    transport = await stage.transport(token);
    api = await stage.client(token);
  }, 60_000);

  it('sees everything that it watches, also where it must list it first', async () => {
    const seen = new Set<string>();
    const reflectors = createReflectors({
      transport,
      driver,
      namespace,
      selectors: [],
      post: (fact) => fact.kind === 'Replaced' && seen.add(fact.source),
      shell: {
        instance: 'rights',
        clock: systemClock,
        random: Math.random,
        log: silentLog,
        metrics: undefined as never,
        signal: new AbortController().signal,
      },
      kubeletSilenceMs: () => 60_000,
    });
    for (const reflector of reflectors) reflector.start();
    await eventually(() => seen.size === reflectors.length, { what: 'all sources' });
    for (const reflector of reflectors) reflector.stop();
  }, 20_000);

  it('leads, and renews that', async () => {
    const versions = new Set<string>();
    const leader = new LeaderLease({
      perform: (effect, deadlineMs) => performKubernetes(transport, effect, deadlineMs),
      namespace,
      driver,
      identity: 'rights',
      leaseDurationMs: 3_000,
      renewDeadlineMs: 2_000,
      retryPeriodMs: 500,
      clock: systemClock,
      random: Math.random,
      log: silentLog,
      onChange: ({ leading, resourceVersion }) => leading && versions.add(resourceVersion),
    });
    leader.start();
    await eventually(() => versions.size > 1, { what: 'a renewal of the leader' });
    await leader.stop();
  }, 20_000);

  it('tells Events', async () => {
    const recorder = new Recorder({
      transport,
      mode: 'controller',
      instance: 'rights',
      clock: systemClock,
    });
    for (const [kind, home] of [
      ['Pod', 'shop'],
      ['Node', ''],
    ] as const) {
      const outcome = await recorder.record({
        about: { kind, namespace: home, name: 'x', uid: 'u' },
        type: 'Normal',
        reason: 'NodeReleased',
        note: 'Something has happened.',
        key: 'k',
        word: '',
      });
      expect(outcome).toEqual({ kind: 'Done' });
    }
  });

  it('may do each thing that its actions ask for', async () => {
    const distinct = new Map(
      (await accessOfActuator()).map((access) => {
        const { verb, resource, namespace: home } = access;
        return [`${verb} ${resource} ${home}`, access];
      }),
    );
    // What is deleted goes last.
    const order = ['create', 'get', 'patch', 'delete'];
    const accesses = [...distinct.values()].sort(
      (a, b) => order.indexOf(a.verb) - order.indexOf(b.verb),
    );
    expect(accesses.length).toBeGreaterThan(10);
    for (const access of accesses) {
      const answer = await ask(api, access);
      expect([access, answer.message]).toEqual([access, '']);
    }
  });
});

/** The request, with something of ours as its object. */
function ask(
  api: ApiClient,
  { verb, resource, namespace: home }: Access,
): Promise<ApiAnswer<unknown>> {
  const [plural, subresource] = resource.split('/') as [ResourceName, 'status' | undefined];
  const names: Partial<Readonly<Record<ResourceName, string>>> = {
    pods: 'wordpress-0',
    nodes: 'rights-b',
    csinodes: 'rights-b',
    volumeattachments: 'csi-2',
    leases: home === driverNamespace ? heartbeatLease(driver, 'agentless') : 'rights-b',
  };
  const place = {
    namespace: home === driverNamespace ? namespace : home === '' ? undefined : home,
    name: names[plural] ?? '',
  };
  switch (verb) {
    case 'get':
      return api.get(plural, place);
    case 'create':
      return api.create(plural, { metadata: place, spec: {} });
    case 'patch': {
      const body = { metadata: { annotations: { 'csi-failover.io/test': '' } } };
      return api.patch(plural, { ...place, ...(subresource && { subresource }) }, body);
    }
    case 'delete':
      return api.delete(plural, place, { gracePeriodSeconds: 0 });
    default:
      throw new Error(`an action that asks for ${verb}`);
  }
}

/** As the product beats, with this token. */
function heart(transport: Transport, node: string): HeartbeatLease {
  return new HeartbeatLease({
    perform: (effect, deadlineMs) => performKubernetes(transport, effect, deadlineMs),
    namespace,
    driver,
    node,
    bootId: 'boot-1',
    durationMs: 10_000,
    clock: systemClock,
  });
}

describe('an agent', () => {
  const own = { namespace, name: heartbeatLease(driver, 'rights-a') };

  it('renews its own heartbeat, and carries the fence record beside it', async () => {
    const agent = heart(await stage.transport(await stage.agentToken('rights-a')), 'rights-a');
    expect(await agent.renew('{}', 5_000)).toEqual({ outcome: { kind: 'Done' }, fence: undefined });
    const controller = await stage.client(await stage.controllerToken());
    const written = await controller.patch('leases', own, {
      metadata: { annotations: { [fenceAnnotation]: record } },
    });
    expect(written.status).toBe(200);
    // It does not know of the record yet, and must hear that it lost a race, not that it may not.
    for (const report of ['{"v":1}', '{"v":2}']) {
      expect(await agent.renew(report, 5_000)).toEqual({
        outcome: { kind: 'Done' },
        fence: record,
      });
    }
    const { object } = await stage.admin.get('leases', own);
    expect(object?.metadata.annotations?.[fenceAnnotation]).toBe(record);
    expect(object?.spec?.holderIdentity).toBe('rights-a/boot-1');
  }, 20_000);

  it('renews it where names are too long for a Lease, beside a node of nearly that name', async () => {
    for (const node of longNodes) {
      const agent = heart(await stage.transport(await stage.agentToken(node)), node);
      for (const report of ['{"v":1}', '{"v":2}']) {
        expect((await agent.renew(report, 5_000)).outcome).toEqual({ kind: 'Done' });
      }
    }
  }, 20_000);

  it('renews nothing with a token that names no node, and is told why', async () => {
    const token = await stage.cluster.tokenFor({ namespace, name: agentAccount });
    const { outcome } = await heart(await stage.transport(token), 'rights-a').renew('{}', 5_000);
    expect(outcome).toMatchObject({ kind: 'Failed', code: 'HTTP_403' });
    expect(outcome).toHaveProperty('detail', expect.stringContaining('names no node'));
  }, 20_000);

  it('renews nothing where nobody said whose heartbeats these are, and is told why', async () => {
    const agent = heart(await stage.transport(await stage.agentToken('rights-b')), 'rights-b');
    await stage.labelAgents(null);
    try {
      const refused = await eventually(
        async () => {
          const { outcome } = await agent.renew('{}', 5_000);
          return outcome.kind === 'Done' ? undefined : outcome;
        },
        { what: 'the policy to see it' },
      );
      expect(refused).toHaveProperty('detail', expect.stringContaining('lacks the label'));
    } finally {
      await stage.labelAgents(driver);
    }
    await eventually(async () => (await agent.renew('{}', 5_000)).outcome.kind === 'Done', {
      what: 'the policy to see the label again',
    });
  }, 40_000);
});

describe('with the token of a stolen agent nobody can', () => {
  let thief: ApiClient;
  let before: World;

  beforeAll(async () => {
    const other = heart(await stage.transport(await stage.agentToken('rights-b')), 'rights-b');
    await other.renew('{}', 5_000);
    thief = await stage.client(await stage.agentToken('rights-a'));
    before = await world();
    expect(before.marked).toEqual([]);
  }, 30_000);

  const loot = () => ({
    thief,
    node: 'rights-a',
    other: 'rights-b',
    silent: 'rights-c',
    admin: stage.admin,
  });
  const all = { ...leaseThefts, ...moreLeaseThefts, ...otherThefts };

  it.each(Object.entries(all))('%s', async (_, theft) => {
    expect(await theft(loot())).toMatchObject({ status: 403 });
    expect(await world()).toEqual(before);
  });

  it('write a first fence record: neither on a Lease that is there nor on a new one', async () => {
    const metadata = { annotations: { [fenceAnnotation]: mark } };
    const place = { namespace, name: heartbeatLease(driver, 'rights-b') };
    const { object } = await stage.admin.get('leases', place);
    if (object === undefined) throw new Error('rights-b has no heartbeat');
    const other = await stage.client(await stage.agentToken('rights-b'));
    const changed = { ...object, metadata: { ...object.metadata, ...metadata } };
    expect(await other.update('leases', changed)).toMatchObject({ status: 403 });
    const third = await stage.client(await stage.agentToken('rights-c'));
    const fresh = heartbeatOf('rights-c') as { metadata: object };
    const created = { ...fresh, metadata: { ...fresh.metadata, ...metadata } };
    expect(await third.create('leases', created)).toMatchObject({ status: 403 });
    expect((await world()).uids).toEqual(before.uids);
  });

  it('renew the heartbeat of a node whose long name differs only where it is cut', async () => {
    const token = await stage.agentToken(longA);
    const { outcome } = await heart(await stage.transport(token), longB).renew('{}', 5_000);
    expect(outcome).toMatchObject({ kind: 'Failed', code: 'HTTP_403' });
    const place = { namespace, name: heartbeatLease(driver, longB) };
    const { object } = await stage.admin.get('leases', place);
    if (object === undefined) throw new Error(`${longB} has no heartbeat`);
    const api = await stage.client(token);
    const spec = { ...object.spec, holderIdentity: `${longA}/${mark}` };
    expect(await api.update('leases', { ...object, spec })).toMatchObject({ status: 403 });
    const elsewhere = heartbeatOf(longA) as { readonly metadata: object };
    const name = heartbeatLease(driver, `x${longA}`);
    const metadata = { ...elsewhere.metadata, name };
    expect(await api.create('leases', { ...elsewhere, metadata })).toMatchObject({ status: 403 });
    expect(await world()).toEqual(before);
  });

  it('do any of it where the account has all rights over Leases from elsewhere', async () => {
    await stage.grantLeases(agentAccount);
    const place = { namespace, name: heartbeatLease(driver, 'rights-a') };
    // Not hindered in what is his.
    await eventually(
      async () =>
        (await thief.patch('leases', place, { spec: { leaseDurationSeconds: 9 } })).object,
      { what: 'the other role to be in effect' },
    );
    for (const [what, theft] of Object.entries({ ...leaseThefts, ...moreLeaseThefts })) {
      const { status, message } = await theft(loot());
      expect([what, status]).toEqual([what, 403]);
      if (!what.includes('kubelet')) expect(message).toContain('ValidatingAdmissionPolicy');
    }
    expect(await world()).toEqual(before);
  }, 30_000);

  it('do anything soon after its pod is gone', async () => {
    const { name } = (await stage.agentPod('rights-a')).metadata;
    await stage.admin.delete('pods', { namespace, name }, { gracePeriodSeconds: 0 });
    await eventually(async () => (await thief.get('pods', { namespace, name })).status === 401, {
      what: 'the token to be refused',
      withinMs: 30_000,
      everyMs: 250,
    });
  }, 40_000);
});

interface World {
  /** Names of what bears the mark of the thief. */
  readonly marked: readonly string[];
  /** Of all that nobody but a thief would create or delete now. */
  readonly uids: ReadonlySet<string>;
}

async function world(): Promise<World> {
  const lists = await Promise.all([...kinds.keys()].map((kind) => stage.admin.list(kind)));
  const objects = lists.flatMap((list) => [...(list ?? [])] as AnyObject[]);
  const marked = objects.filter((object) => JSON.stringify(object).includes(mark));
  const lasting = [
    ...((await stage.admin.list('leases', { namespace })) ?? []),
    ...((await stage.admin.list('pods', { namespace: 'shop' })) ?? []),
    ...((await stage.admin.list('volumeattachments')) ?? []),
    ...((await stage.admin.list('nodes')) ?? []),
  ];
  const uids = new Set(lasting.map(({ metadata }) => metadata.uid));
  return { marked: marked.map(({ metadata }) => metadata.name), uids };
}

describe('the audit log', () => {
  it('names what was refused, and the rule that would have allowed it', async () => {
    const accounts = new Map([
      [agentAccount, 'csi-failover-node'],
      [controllerAccount, 'csi-failover-controller'],
    ]);
    const audit = await Audit.read(stage.cluster.folder, {
      driverName: driver,
      namespace,
      accounts,
    });
    const refusals = audit.refusals();
    expect(refusals.join('\n')).toContain(
      'csi-failover-node lacks { apiGroups: [""], resources: [pods/status], verbs: [patch] } in shop',
    );
    expect(refusals.join('\n')).toContain(
      'only the controller writes and removes the fence record',
    );
    expect(refusals.filter((text) => text.startsWith('csi-failover-controller'))).toEqual([]);
    expect(() => audit.check()).toThrow('refused what we asked for');
    // The rest is shown by those suites in which the product itself runs.
    audit.recordUse(audit.used().filter(({ verb }) => verb === 'list'));
  });
});
