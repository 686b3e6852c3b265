import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { leaderLease } from '../../../src/shared/names.ts';
import { Audit, unusedRights } from '../../cluster/audit.ts';
import { usedRightsVariable } from '../../cluster/used-rights-variable.ts';
import { grants } from '../manifests/grants.ts';
import { driverNamespace } from '../manifests/actions.ts';

const audited = {
  driverName: 'audited.csi.test',
  namespace: 'audited-driver',
  accounts: new Map([
    ['controller-of-it', 'csi-failover-controller'],
    ['node-of-it', 'csi-failover-node'],
  ]),
};

interface Request {
  readonly account?: string;
  readonly verb: string;
  readonly group?: string;
  /** With its subresource: `pods/status`. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly decision?: 'allow' | 'forbid';
  /** What an admission policy objected to. */
  readonly policy?: string;
}

/** A line of the audit log. */
function lineOf({ account = 'controller-of-it', verb, resource, ...rest }: Request): string {
  const { group, namespace, name, decision = 'allow', policy } = rest;
  const [plural, subresource] = resource.split('/');
  return JSON.stringify({
    verb,
    user: { username: `system:serviceaccount:${audited.namespace}:${account}` },
    objectRef: { resource: plural, subresource, namespace, name, apiGroup: group },
    responseStatus: { message: policy ?? '' },
    annotations: {
      'authorization.k8s.io/decision': decision,
      ...(policy && { 'validation.policy.admission.k8s.io/validation_failure': '[]' }),
    },
  });
}

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'audit-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(requests: readonly Request[], file = 'audit.log'): void {
  writeFileSync(join(folder, file), requests.map((one) => `${lineOf(one)}\n`).join(''));
}

function read(): Promise<Audit> {
  return Audit.read(folder, audited);
}

const eviction: Request = { verb: 'patch', resource: 'pods/status', namespace: 'shop', name: 'a' };

describe('a request that was refused', () => {
  it('is told with the rule that would have allowed it', async () => {
    write([{ ...eviction, decision: 'forbid' }]);
    const audit = await read();
    expect(audit.refusals()).toEqual([
      'csi-failover-controller lacks { apiGroups: [""], resources: [pods/status], verbs: [patch] } in shop',
    ]);
    expect(() => audit.check()).toThrow('resources: [pods/status], verbs: [patch]');
  });

  it('counts though the same was allowed before', async () => {
    write([eviction], 'audit-2026-01-01T00-00-00.000.log');
    write([{ ...eviction, decision: 'forbid' }]);
    expect((await read()).refusals()).toHaveLength(1);
  });

  it('does not count when the same is allowed afterwards', async () => {
    write([{ ...eviction, decision: 'forbid' }], 'audit-2026-01-01T00-00-00.000.log');
    write([{ ...eviction, name: 'b' }]);
    expect((await read()).refusals()).toEqual([]);
  });

  it('by a policy counts with what the policy says', async () => {
    const policy = 'denied request: not your Lease';
    const lease = { group: 'coordination.k8s.io', resource: 'leases' };
    write([{ account: 'node-of-it', verb: 'update', ...lease, policy }]);
    expect((await read()).refusals()).toEqual([`csi-failover-node: ${policy}`]);
  });

  it('of somebody else does not count', async () => {
    write([{ ...eviction, account: 'of-another-driver', decision: 'forbid' }]);
    expect((await read()).refusals()).toEqual([]);
  });
});

describe('a rule', () => {
  const everything = grants().map(
    ({ role, subject, verb, group, resource, namespace, names }): Request => ({
      account: subject === 'csi-failover-node' ? 'node-of-it' : 'controller-of-it',
      verb,
      group,
      resource,
      ...(namespace !== '*' && {
        namespace: namespace === driverNamespace ? audited.namespace : namespace,
      }),
      name:
        names?.[0] ??
        (role === 'csi-failover-observer' ? leaderLease(audited.driverName) : 'any-name'),
    }),
  );

  beforeEach(() => {
    process.env[usedRightsVariable] = join(folder, 'used');
  });
  afterEach(() => {
    delete process.env[usedRightsVariable];
  });

  it('that was used is not missed', async () => {
    write(everything);
    (await read()).recordUse();
    expect(unusedRights(join(folder, 'used'))).toEqual([]);
    const recorded = readFileSync(join(folder, 'used', `${audited.driverName}.json`), 'utf8');
    expect(JSON.parse(recorded)).toHaveLength(grants().length);
  });

  it('that no suite used is named', async () => {
    write(everything.filter(({ resource }) => resource !== 'pods/status'));
    (await read()).recordUse();
    expect(unusedRights(join(folder, 'used'))).toEqual([
      'csi-failover-actuator: patch /pods/status in *',
    ]);
  });

  it('is not used by a request that was refused', async () => {
    write(everything.map((one) => ({ ...one, decision: 'forbid' })));
    (await read()).recordUse();
    expect(unusedRights(join(folder, 'used'))).toHaveLength(grants().length);
  });
});
