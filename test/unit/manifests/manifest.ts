import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { loadAllYaml, loadYaml } from '@kubernetes/client-node';

/** A Kubernetes object as it stands in a file, with the fields that the tests look at. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
  };
  readonly rules?: readonly Rule[];
  readonly roleRef?: { readonly kind: string; readonly name: string };
  readonly subjects?: readonly Subject[];
  readonly spec?: Workload & Policy & PolicyBinding;
}

export interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export interface Subject {
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string;
}

export interface Workload {
  readonly replicas?: number;
  readonly attachRequired?: boolean;
  /** Of a PodDisruptionBudget. */
  readonly maxUnavailable?: number;
  readonly selector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly template?: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: PodSpec;
  };
}

/** Of a ValidatingAdmissionPolicy. */
export interface Policy {
  readonly failurePolicy?: string;
  readonly paramKind?: { readonly kind: string };
  readonly matchConditions?: readonly Expression[];
  readonly variables?: readonly Expression[];
  readonly validations?: readonly (Expression & {
    readonly reason: string;
    readonly message: string;
  })[];
}

/** In CEL. */
export interface Expression {
  readonly expression: string;
}

export interface PolicyBinding {
  readonly policyName?: string;
  readonly validationActions?: readonly string[];
  readonly paramRef?: {
    readonly name: string;
    readonly namespace?: string;
    readonly parameterNotFoundAction: string;
  };
}

export interface PodSpec {
  readonly serviceAccountName: string;
  readonly hostNetwork?: boolean;
  readonly affinity?: {
    readonly podAntiAffinity?: {
      readonly requiredDuringSchedulingIgnoredDuringExecution?: readonly {
        readonly topologyKey: string;
      }[];
    };
  };
  readonly tolerations?: readonly {
    readonly key?: string;
    readonly operator?: string;
    readonly effect?: string;
    readonly tolerationSeconds?: number;
  }[];
  readonly priorityClassName?: string;
  readonly securityContext?: {
    readonly runAsUser?: number;
    readonly seccompProfile?: { readonly type: string };
  };
  readonly containers: readonly Container[];
  readonly volumes: readonly {
    readonly name: string;
    readonly emptyDir?: object;
    readonly hostPath?: { readonly path: string };
  }[];
}

export interface Probe {
  readonly httpGet: {
    readonly host?: string;
    readonly path: string;
    readonly port: string | number;
  };
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env?: readonly {
    readonly name: string;
    readonly value?: string;
    readonly valueFrom?: { readonly fieldRef: { readonly fieldPath: string } };
  }[];
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly livenessProbe?: Probe;
  readonly readinessProbe?: Probe;
  readonly resources?: { readonly requests?: object; readonly limits?: { readonly cpu?: unknown } };
  readonly securityContext?: {
    readonly privileged?: boolean;
    readonly runAsUser?: number;
    readonly allowPrivilegeEscalation?: boolean;
    readonly readOnlyRootFilesystem?: boolean;
    readonly capabilities?: { readonly drop?: readonly string[]; readonly add?: readonly string[] };
  };
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
    readonly mountPropagation?: string;
  }[];
}

export interface Kustomization {
  readonly kind: string;
  readonly namespace?: string;
  readonly nameSuffix?: string;
  readonly resources: readonly string[];
  readonly transformers?: readonly string[];
  readonly configurations?: readonly string[];
  readonly labels?: readonly { readonly pairs: Readonly<Record<string, string>> }[];
  readonly patches?: readonly { readonly patch: string }[];
}

export interface NamespaceTransformer {
  readonly kind: string;
  readonly metadata: { readonly namespace: string };
  readonly unsetOnly?: boolean;
  readonly setRoleBindingSubjects?: string;
}

export const base = 'manifests/base';
export const example = 'manifests/examples/test-driver';

export function readManifests(file: string): readonly Manifest[] {
  return (loadAllYaml(readFileSync(file, 'utf8')) as Manifest[]).filter((entry) => entry !== null);
}

export function readKustomization(folder: string): Kustomization {
  return loadYaml(readFileSync(join(folder, 'kustomization.yaml'), 'utf8'));
}

/** The files of objects that a kustomization names, and those of the kustomizations it names. */
export function resourceFiles(folder: string): readonly string[] {
  return readKustomization(folder).resources.flatMap((resource) => {
    const path = join(folder, resource);
    return isFolder(path) ? resourceFiles(path) : [path];
  });
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}

/** Every object of an overlay as it stands in its file, before any transformation. */
export function objectsOf(folder: string): readonly Manifest[] {
  return resourceFiles(folder).flatMap(readManifests);
}

/** Every file that has an effect; another one below manifests/ would only look as if it had. */
export function usedFiles(folder: string): readonly string[] {
  const { resources, transformers = [], configurations = [] } = readKustomization(folder);
  const folders = resources.map((resource) => join(folder, resource)).filter(isFolder);
  return [
    join(folder, 'kustomization.yaml'),
    ...resourceFiles(folder),
    ...[...transformers, ...configurations].map((name) => join(folder, name)),
    ...folders.flatMap(usedFiles),
  ];
}
