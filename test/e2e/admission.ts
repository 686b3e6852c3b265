import { eventually } from '../machine/eventually.ts';
import type { ApiAnswer, ApiClient } from '../machine/api-client.ts';

const group = '/apis/admissionregistration.k8s.io/v1';

/**
 * Has the API server refuse to put this taint on this node, until it is disposed: what happens in a
 * real cluster when a webhook or a policy is in the way.
 */
export async function refuseTaint(
  api: ApiClient,
  { node, taint }: { readonly node: string; readonly taint: string },
): Promise<AsyncDisposable> {
  const name = `refuse-taint-${node}`;
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
              resources: ['nodes'],
              resourceNames: [node],
            },
          ],
        },
        validations: [
          {
            expression: `!has(object.spec.taints) || !object.spec.taints.exists(t, t.key == '${taint}')`,
          },
        ],
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
  const spec = { taints: [{ key: taint, effect: 'NoSchedule' }] };
  const rehearse = (): Promise<ApiAnswer<unknown>> =>
    api.call('PATCH', `/api/v1/nodes/${node}?dryRun=All`, { spec }, 'application/merge-patch+json');
  await eventually(async () => (await rehearse()).status === 422, {
    what: `${taint} on ${node} to be refused`,
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
