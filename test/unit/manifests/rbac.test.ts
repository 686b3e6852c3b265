import { globSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { driverNamespace } from './actions.ts';
import { allows, grants, isBinding, objects, roleOf, textOf } from './grants.ts';
import { base, readManifests } from './manifest.ts';
import {
  type Access,
  accessOfActuator,
  accessOfCondition,
  accessOfNode,
  accessOfObserver,
} from './requests.ts';

const roles = [
  ['csi-failover-observer', 'csi-failover-controller', accessOfObserver],
  ['csi-failover-actuator', 'csi-failover-controller', accessOfActuator],
  ['csi-failover-node-agent', 'csi-failover-node', accessOfNode],
] as const;

describe.each(roles)('%s', (role, account, accessesOf) => {
  const granted = grants().filter((grant) => grant.role === role);
  let accesses: readonly Access[];

  beforeAll(async () => {
    accesses = await accessesOf();
  });

  it(`is bound to ${account} only`, () => {
    expect([...new Set(granted.map(({ subject }) => subject))]).toEqual([account]);
  });

  it('allows everything that the code asks for', () => {
    expect(accesses.length).toBeGreaterThan(3);
    const refused = accesses.filter((access) => !granted.some((grant) => allows(grant, access)));
    expect(refused).toEqual([]);
  });

  it('allows nothing that the code never asks for', () => {
    const unused = granted.filter((grant) => !accesses.some((access) => allows(grant, access)));
    expect(unused.map(textOf)).toEqual([]);
  });
});

describe('the rights of an agent', () => {
  it('end at the Leases of the namespace of its driver', () => {
    const granted = grants().filter(({ subject }) => subject === 'csi-failover-node');
    const places = new Set(granted.map(({ resource, namespace }) => `${resource} ${namespace}`));
    expect([...places]).toEqual([`leases ${driverNamespace}`]);
  });
});

describe('the component for --node-condition', () => {
  const [role, binding] = readManifests('manifests/components/node-condition/access.yaml');

  it('allows the controller what the condition needs, and nothing else', async () => {
    const asked = (await accessOfCondition()).map(
      ({ verb, group, resource }) => `${verb} ${group}/${resource}`,
    );
    expect([...new Set(asked)]).toEqual(['patch /nodes/status']);
    const rule = { apiGroups: [''], resources: ['nodes/status'], verbs: ['patch'] };
    expect(role?.rules).toEqual([rule]);
    expect(binding?.roleRef?.name).toBe(role?.metadata.name);
    const account = { kind: 'ServiceAccount', name: 'csi-failover-controller' };
    expect(binding?.subjects).toEqual([account]);
  });
});

describe('the observer alone', () => {
  it('can see, decide and tell, but touch no pod, node, VolumeAttachment or fence record', () => {
    const observer = grants().filter(({ role }) => role === 'csi-failover-observer');
    const writes = observer.filter(({ verb }) => !['get', 'list', 'watch'].includes(verb));
    const resources = new Set(writes.map(({ verb, resource }) => `${verb} ${resource}`));
    expect([...resources].sort()).toEqual(['create events', 'create leases', 'update leases']);
  });
});

describe('every role', () => {
  it('names what it means: no wildcard, no Secret, no escalation', () => {
    for (const { rules } of objects) {
      for (const rule of rules ?? []) {
        const words = [...rule.apiGroups, ...rule.resources, ...rule.verbs];
        expect(words.filter((word) => /\*|secrets|escalate|impersonate|^bind$/.test(word))).toEqual(
          [],
        );
      }
    }
  });

  it('says beside each rule why it is there', () => {
    for (const file of globSync(`${base}/{observer,actuator,node-agent}.yaml`)) {
      const lines = readFileSync(file, 'utf8').split('\n');
      const bare = lines.filter(
        (line, index) =>
          line.startsWith('  - apiGroups:') && !lines[index - 1]?.trim().startsWith('#'),
      );
      expect(bare).toEqual([]);
    }
  });

  it('is bound, to an account that exists', () => {
    const accounts = objects.filter(({ kind }) => kind === 'ServiceAccount');
    const names = accounts.map(({ metadata }) => metadata.name);
    const bindings = objects.filter(isBinding);
    for (const { subjects } of bindings) {
      expect(
        subjects?.map(({ kind, name }) => kind === 'ServiceAccount' && names.includes(name)),
      ).toEqual([true]);
    }
    const defined = objects.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
    expect(new Set(bindings.map(roleOf))).toEqual(new Set(defined));
  });
});

describe('the list of who talks to the API', () => {
  it('is complete: a new caller must be run in requests.ts, too', () => {
    const callers = globSync('src/**/*.ts').filter((file) =>
      /\bperformKubernetes\(|\btypedApi\(|\bnew (?:Reflector|Transport|LeaderLease|Recorder)\b/.test(
        readFileSync(file, 'utf8').replace(/function performKubernetes\(/, ''),
      ),
    );
    expect(callers.sort()).toEqual([
      'src/controller-mode/controller.ts',
      'src/controller-mode/sources.ts',
      'src/node-mode/act.ts',
      'src/node-mode/node.ts',
      'src/shared/kubernetes/recorder.ts',
    ]);
  });
});
