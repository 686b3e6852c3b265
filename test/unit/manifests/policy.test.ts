/** What of the admission policy can be seen without an API server; test/e2e has the rest. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadYaml } from '@kubernetes/client-node';
import { driverLabel, fenceAnnotation, heartbeatLease } from '../../../src/shared/names.ts';
import { objects } from './grants.ts';
import { base, type Manifest, readKustomization } from './manifest.ts';

function only(kind: string): Manifest {
  const found = objects.filter((object) => object.kind === kind);
  if (found.length !== 1) throw new Error(`the base has ${found.length} ${kind}`);
  return found[0] as Manifest;
}

const policy = only('ValidatingAdmissionPolicy');
const binding = only('ValidatingAdmissionPolicyBinding');
const { validations = [], variables = [], matchConditions = [] } = policy.spec ?? {};
const expressions = [...matchConditions, ...variables, ...validations];
const text = expressions.map(({ expression }) => expression).join('\n');

describe('the policy for agents', () => {
  it('is bound, refuses, and refuses what it cannot judge', () => {
    expect(binding.spec?.policyName).toBe(policy.metadata.name);
    expect(binding.spec?.validationActions).toContain('Deny');
    expect(policy.spec?.failurePolicy).toBe('Fail');
    expect(validations.length).toBeGreaterThan(5);
  });

  it('is about those to whom the role of the agents is bound, wherever that is', () => {
    const agents = objects.find(
      ({ kind, roleRef }) => kind === 'RoleBinding' && roleRef?.name === 'csi-failover-node-agent',
    );
    expect(policy.spec?.paramKind).toEqual({
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
    });
    expect(binding.spec?.paramRef).toEqual({
      name: agents?.metadata.name,
      parameterNotFoundAction: 'Allow',
    });
  });

  it('goes on naming both when a layer gives them a suffix', () => {
    const { configurations = [] } = readKustomization(base);
    const references = configurations.flatMap((file) => {
      const { nameReference = [] } = loadYaml<{
        readonly nameReference?: readonly {
          readonly kind: string;
          readonly fieldSpecs: readonly { readonly path: string; readonly kind: string }[];
        }[];
      }>(readFileSync(join(base, file), 'utf8'));
      return nameReference.flatMap(({ kind, fieldSpecs }) =>
        fieldSpecs.map((field) => `${field.kind} ${field.path} -> ${kind}`),
      );
    });
    expect(references).toEqual([
      'ValidatingAdmissionPolicyBinding spec/policyName -> ValidatingAdmissionPolicy',
      'ValidatingAdmissionPolicyBinding spec/paramRef/name -> RoleBinding',
    ]);
  });

  it('says why', () => {
    expect(validations.map(({ reason }) => reason)).toEqual(validations.map(() => 'Forbidden'));
    const messages = validations.map(({ message }) => message);
    expect(new Set(messages).size).toBe(messages.length);
  });

  it('knows our label and annotation by the names that we write', () => {
    const ours = new Set([...text.matchAll(/'(csi-failover[^']+)'/g)].map(([, name]) => name));
    expect(ours).toEqual(new Set([driverLabel, fenceAnnotation]));
  });

  it('cuts long names where we cut them', () => {
    const [, pattern = ''] = /matches\('([^']+)'\)/.exec(text) ?? [];
    const bounds = [...text.matchAll(/size\(variables\.fullName\) (?:>|<=) (\d+)/g)];
    const [, kept] = /fullName\.substring\(0, (\d+)\)/.exec(text) ?? [];
    const longest = Number(bounds[0]?.[1]);
    const driver = 'test.csi-failover.io';
    const node = (length: number): string => 'n'.repeat(length - driver.length - 1);
    expect(new Set(bounds.map(([, bound]) => bound)).size).toBe(1);
    expect(heartbeatLease(driver, node(longest))).toBe(`${driver}.${node(longest)}`);
    const cut = heartbeatLease(driver, node(longest + 1));
    expect(cut).toMatch(new RegExp(pattern));
    expect(cut.slice(0, Number(kept))).toBe(`${driver}.${node(Number(kept))}`);
    expect(cut[Number(kept)]).toBe('.');
  });
});
