import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { loadYaml } from '@kubernetes/client-node';
import type { Config } from '../../../src/shared/config.ts';
import { driverLabel, enabledLabel } from '../../../src/shared/names.ts';
import { readConfig } from '../../../src/shared/read-config.ts';
import {
  type Container,
  example,
  type Kustomization,
  type NamespaceTransformer,
  objectsOf,
  type PodSpec,
  type Probe,
  readKustomization,
  resourceFiles,
  usedFiles,
} from './manifest.ts';

const kustomizations = globSync('manifests/**/kustomization.yaml').map((file) => dirname(file));

describe.each(kustomizations)('kustomization %s', (folder) => {
  it('names files that are there and hold objects', () => {
    for (const file of resourceFiles(folder))
      expect([file, existsSync(file)]).toEqual([file, true]);
    for (const { apiVersion, kind, metadata } of objectsOf(folder)) {
      expect([apiVersion, kind, metadata.name]).not.toContain(undefined);
    }
  });

  it('never moves the Role of kube-node-lease, as the field `namespace` would', () => {
    expect(readKustomization(folder).namespace).toBeUndefined();
  });
});

it('every manifest is used by a kustomization', () => {
  const used = kustomizations.flatMap(usedFiles);
  const unused = globSync('manifests/**/*.yaml').filter((file) => !used.includes(file));
  expect(unused).toEqual([]);
});

describe('the rights of the example', () => {
  const access = join(example, 'access');
  const kustomization: Kustomization = readKustomization(access);
  const file = kustomization.transformers?.[0] ?? '';
  const transformer: NamespaceTransformer = loadYaml(readFileSync(join(access, file), 'utf8'));

  it('stand in the namespace of the driver, those of kube-node-lease stay there', () => {
    const namespace = objectsOf(example).find(({ kind }) => kind === 'Namespace');
    expect(transformer.metadata.namespace).toBe(namespace?.metadata.name);
    expect(transformer).toMatchObject({
      kind: 'NamespaceTransformer',
      unsetOnly: true,
      setRoleBindingSubjects: 'allServiceAccounts',
    });
  });

  it('say whose heartbeats the agents write', () => {
    const csiDriver = objectsOf(example).find(({ kind }) => kind === 'CSIDriver');
    const pairs = (kustomization.labels ?? []).map((label) => label.pairs);
    expect(pairs).toEqual([{ [driverLabel]: csiDriver?.metadata.name }]);
  });

  it('have names of their own, so that two drivers do not take them from each other', () => {
    expect(kustomization.nameSuffix).toMatch(/^-[a-z-]+$/);
  });
});

const workloads = objectsOf(example).flatMap(({ kind, metadata, spec }) =>
  spec?.template === undefined ? [] : [{ kind, metadata, spec, pod: spec.template.spec }],
);

function workload(kind: string): { readonly replicas: number | undefined; readonly pod: PodSpec } {
  const found = workloads.find((entry) => entry.kind === kind);
  if (found === undefined) throw new Error(`the example has no ${kind}`);
  return { replicas: found.spec.replicas, pod: found.pod };
}

function container(pod: PodSpec, name: string): Container {
  const found = pod.containers.find((entry) => entry.name === name);
  if (found === undefined) throw new Error(`the pod has no container ${name}`);
  return found;
}

/** As the kubelet starts it: `$(NAME)` in arguments is replaced by a variable of the container. */
function configOf({ args, env = [] }: Container): Config {
  const fields: Readonly<Record<string, string>> = {
    'spec.nodeName': 'worker-1',
    'metadata.namespace': 'csi-test-driver',
  };
  const environment = Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [
      name,
      value ?? fields[valueFrom?.fieldRef.fieldPath ?? ''],
    ]),
  );
  const argv = args.map((argument) =>
    argument.replace(/\$\((\w+)\)/g, (_, name: string) => environment[name] ?? ''),
  );
  const result = readConfig({ argv, environment, readFile: () => undefined });
  if (result.kind !== 'Config') throw new Error(JSON.stringify(result));
  return result.config;
}

const modes = [
  ['controller', 'Deployment'],
  ['node', 'DaemonSet'],
] as const;

describe.each(modes)('the sidecar in %s mode', (mode, kind) => {
  const { pod } = workload(kind);
  const ours = container(pod, 'csi-failover');
  const config = configOf(ours);

  it('has arguments that we accept, and knows driver, namespace and node by itself', () => {
    const csiDriver = objectsOf(example).find((object) => object.kind === 'CSIDriver');
    expect(csiDriver?.spec?.attachRequired).toBe(true);
    expect(config).toMatchObject({
      mode,
      driverName: csiDriver?.metadata.name,
      namespace: 'csi-test-driver',
      nodeName: mode === 'node' ? 'worker-1' : '',
    });
  });

  it('finds the socket where the driver beside it makes it', () => {
    const driver = container(pod, 'driver');
    expect(driver.args).toContain(`--endpoint=${config.csiAddress}`);
    const folder = dirname(config.csiAddress.slice('unix:'.length));
    const mounted = [ours, driver].map(
      ({ volumeMounts }) => volumeMounts.find(({ mountPath }) => mountPath === folder)?.name,
    );
    expect(mounted[0]).toBeDefined();
    expect(mounted[1]).toBe(mounted[0]);
  });

  it('runs as the user who may connect to that socket', () => {
    const driver = container(pod, 'driver');
    const user = (one: Container): number =>
      one.securityContext?.runAsUser ?? pod.securityContext?.runAsUser ?? 0;
    expect(user(ours)).toBe(user(driver));
  });

  it('is asked for its health where it serves it', () => {
    for (const probe of [ours.livenessProbe, ours.readinessProbe]) {
      expect(placeOf(probe, ours)).toBe(config.httpEndpoint);
    }
    expect(ours.readinessProbe?.httpGet.path).toBe('/readyz');
    const liveness = mode === 'controller' ? '/healthz/leader-election' : '/healthz';
    expect(ours.livenessProbe?.httpGet.path).toBe(liveness);
  });

  it('has no more of the machine than it needs', () => {
    expect(ours.securityContext).toMatchObject({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(ours.securityContext?.capabilities?.add).toBeUndefined();
    expect(ours.securityContext?.privileged).toBeUndefined();
    expect(pod.securityContext?.seccompProfile).toEqual({ type: 'RuntimeDefault' });
    for (const { name, readOnly } of ours.volumeMounts) {
      const isHostPath = pod.volumes.some((one) => one.name === name && one.hostPath !== undefined);
      if (isHostPath) expect([name, readOnly]).toEqual([name, true]);
    }
  });

  it('is not preempted for others', () => {
    const critical = mode === 'controller' ? 'system-cluster-critical' : 'system-node-critical';
    expect(pod.priorityClassName).toBe(critical);
  });

  it('is never throttled: slowness looks like death', () => {
    expect(ours.resources).toMatchObject({ requests: {}, limits: {} });
    expect(ours.resources?.limits?.cpu).toBeUndefined();
  });

  it('runs with an account that the shipped roles are bound to', () => {
    const { nameSuffix = '', patches = [] } = readKustomization(join(example, 'access'));
    expect(pod.serviceAccountName).toBe(`csi-failover-${mode}${nameSuffix}`);
    const subjects = patches.flatMap(({ patch }) =>
      loadYaml<readonly { readonly value: string }[]>(patch).map(({ value }) => value),
    );
    expect(subjects).toContain(pod.serviceAccountName);
  });

  it('has an image with a version', () => {
    const tags = readFileSync(join(example, 'kustomization.yaml'), 'utf8');
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect(ours.image).toBe('csi-failover');
    expect(tags).toContain(`name: csi-failover\n    newTag: ${version}`);
  });
});

function placeOf(probe: Probe | undefined, { ports = [] }: Container): string {
  const { host = '', port = '' } = probe?.httpGet ?? {};
  const number = ports.find(({ name }) => name === port)?.containerPort ?? port;
  return `${host}:${number}`;
}

describe('the agent that stands alone', () => {
  const alone = objectsOf('manifests/examples/standalone-agent').find(
    ({ kind, metadata }) => kind === 'DaemonSet' && metadata.name === 'csi-failover-node-agent',
  );
  const pod = alone?.spec?.template?.spec;
  const { pod: beside } = workload('DaemonSet');

  it('is the sidecar, without the driver', () => {
    expect(pod?.containers).toEqual([container(beside, 'csi-failover')]);
    const needed = beside.volumes.filter(({ name }) =>
      container(beside, 'csi-failover').volumeMounts.some((mount) => mount.name === name),
    );
    expect(pod?.volumes).toEqual(needed);
    const { containers: _, volumes: __, ...rest } = beside;
    expect(pod).toMatchObject(rest);
  });
});

describe('the controller Deployment', () => {
  const { pod, replicas } = workload('Deployment');

  it('survives the node that it manages: two replicas, never on one node, soon replaced', () => {
    expect(replicas).toBeGreaterThanOrEqual(2);
    const terms = pod.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    expect(terms?.map(({ topologyKey }) => topologyKey)).toEqual(['kubernetes.io/hostname']);
    for (const taint of ['not-ready', 'unreachable']) {
      const toleration = pod.tolerations?.find(({ key }) => key === `node.kubernetes.io/${taint}`);
      expect(toleration?.effect).toBe('NoExecute');
      expect(toleration?.tolerationSeconds).toBeLessThanOrEqual(30);
    }
  });

  it('keeps a replica when nodes are drained', () => {
    const budget = objectsOf(example).find(({ kind }) => kind === 'PodDisruptionBudget');
    const template = workloads.find(({ kind }) => kind === 'Deployment')?.spec.template;
    expect(budget?.spec?.maxUnavailable).toBe(1);
    expect(budget?.spec?.selector?.matchLabels).toEqual(template?.metadata.labels);
  });

  it('has the attacher, without which nothing is ever unpublished', () => {
    const attacher = container(pod, 'attacher');
    expect(attacher.args).toContain('--leader-election');
  });
});

it('the example workload asks to be protected', () => {
  const [ledger] = objectsOf('manifests/examples/workload');
  expect(ledger?.spec?.template?.metadata.labels).toMatchObject({ [enabledLabel]: 'true' });
});

describe('the node DaemonSet', () => {
  const { pod } = workload('DaemonSet');
  const ours = container(pod, 'csi-failover');
  const config = configOf(ours);

  it('stays on a node with whatever taint', () => {
    expect(pod.tolerations).toEqual([{ operator: 'Exists' }]);
  });

  it('reaches the health port of the kubelet, which listens on loopback only', () => {
    expect(config.kubeletHealthzAddress).toBe('127.0.0.1:10248');
    expect(pod.hostNetwork).toBe(true);
    expect(config.httpEndpoint).toMatch(/^127\.0\.0\.1:/);
  });

  it('sees the directory of the kubelet as the kubelet does, and its mounts as they change', () => {
    const mount = ours.volumeMounts.find(({ mountPath }) => mountPath === config.kubeletDir);
    const volume = pod.volumes.find(({ name }) => name === mount?.name);
    expect(mount).toMatchObject({ mountPropagation: 'HostToContainer', readOnly: true });
    expect(volume?.hostPath?.path).toBe(config.kubeletDir);
  });
});
