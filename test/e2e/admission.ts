import type { JsonObject } from '../../src/shared/effect.ts';
import { eventually } from '../machine/eventually.ts';
import type { ApiAnswer, ApiClient } from '../machine/api-client.ts';

const group = '/apis/admissionregistration.k8s.io/v1';

interface Refusal {
  readonly name: string;
  /** In the core group, as `pods/status`. */
  readonly resource: string;
  readonly object: string;
  /** What must hold, in CEL. */
  readonly unless: string;
  /** A patch that is refused, and where; nothing comes of it. */
  readonly rehearsal: { readonly path: string; readonly body: JsonObject };
}

/**
 * Has the API server refuse to put this taint on this node, until it is disposed: what happens in a
 * real cluster when a webhook or a policy is in the way.
 */
export async function refuseTaint(
  api: ApiClient,
  { node, taint }: { readonly node: string; readonly taint: string },
): Promise<AsyncDisposable> {
  return await refuse(api, {
    name: `refuse-taint-${node}`,
    resource: 'nodes',
    object: node,
    unless: `!has(object.spec.taints) || !object.spec.taints.exists(t, t.key == '${taint}')`,
    rehearsal: {
      path: `/api/v1/nodes/${node}`,
      body: { spec: { taints: [{ key: taint, effect: 'NoSchedule' }] } },
    },
  });
}

/** The same with the eviction of this pod by us. */
export async function refuseEviction(
  api: ApiClient,
  { namespace, pod }: { readonly namespace: string; readonly pod: string },
): Promise<AsyncDisposable> {
  return await refuse(api, {
    name: `refuse-eviction-${pod}`,
    resource: 'pods/status',
    object: pod,
    unless: `!has(object.status.reason) || object.status.reason != 'VolumeFailover'`,
    rehearsal: {
      path: `/api/v1/namespaces/${namespace}/pods/${pod}/status`,
      body: { status: { reason: 'VolumeFailover' } },
    },
  });
}

async function refuse(
  api: ApiClient,
  { name, resource, object, unless, rehearsal }: Refusal,
): Promise<AsyncDisposable> {
  const expect = (answer: ApiAnswer<unknown>): void => {
    if (answer.object === undefined) throw new Error(`${name}: ${answer.message}`);
  };
  expect(
    await api.call('POST', `${group}/validatingadmissionpolicies`, {
      metadata: { name },
      spec: {
        failurePolicy: 'Fail',
        matchConstraints: {
          resourceRules: [
            {
              apiGroups: [''],
              apiVersions: ['v1'],
              operations: ['UPDATE'],
              resources: [resource],
              resourceNames: [object],
            },
          ],
        },
        validations: [{ expression: unless }],
      },
    }),
  );
  expect(
    await api.call('POST', `${group}/validatingadmissionpolicybindings`, {
      metadata: { name },
      spec: { policyName: name, validationActions: ['Deny'] },
    }),
  );
  // It is in force some time after it was created.
  const { path, body } = rehearsal;
  const rehearse = (): Promise<ApiAnswer<unknown>> =>
    api.call('PATCH', `${path}?dryRun=All`, body, 'application/merge-patch+json');
  await eventually(async () => (await rehearse()).status === 422, {
    what: `${name} to be in force`,
    everyMs: 200,
  });
  return {
    [Symbol.asyncDispose]: async () => {
      for (const kind of ['validatingadmissionpolicybindings', 'validatingadmissionpolicies']) {
        await api.call('DELETE', `${group}/${kind}/${name}`);
      }
    },
  };
}
