import type { JsonObject } from '../../src/shared/effect.ts';
import {
  claimName,
  otherVolumes,
  slotOfPlan,
  type WorkloadPlan,
  workloadObject,
} from '../machine/workload-objects.ts';
import { imageNames, writerCommand } from './images.ts';

/** Where a volume is mounted in its container, and the journal on it. */
const mountPath = '/data';
export const journalName = 'journal';

export interface RealWorkloadOptions {
  readonly intervalMs?: number;
}

/** The plan's workload with a program that writes to its mounted volume, if it has one. */
export function realWorkloadObject(
  plan: WorkloadPlan,
  { intervalMs = 200 }: RealWorkloadOptions = {},
): JsonObject {
  const object = workloadObject(plan);
  if (plan.kind === 'Pod') return { ...object, spec: withWriter(plan, object['spec'], intervalMs) };
  const spec = object['spec'] as JsonObject;
  const template = spec['template'] as JsonObject;
  return {
    ...object,
    spec: {
      ...spec,
      template: { ...template, spec: withWriter(plan, template['spec'], intervalMs) },
    },
  };
}

function withWriter(plan: WorkloadPlan, podSpec: unknown, intervalMs: number): JsonObject {
  const spec = podSpec as JsonObject;
  if (plan.volumeless === true) {
    return { ...spec, containers: [{ name: plan.name, image: imageNames.pause }] };
  }
  // Of whoever uses the volume of another it is a file of its own.
  const journal = plan.shares === undefined ? journalName : plan.name;
  // The volume of a StatefulSet comes from its claim template and has that one's name.
  const volume = plan.kind === 'StatefulSet' ? 'data' : claimName(plan);
  const writers = [
    writer(plan, volume, { journal, intervalMs }),
    ...otherVolumes(plan).map((other) =>
      writer(other, claimName(other), { journal: journalName, intervalMs }),
    ),
  ];
  return { ...spec, terminationGracePeriodSeconds: 5, containers: writers };
}

/** A container for each volume. */
function writer(
  plan: WorkloadPlan,
  volume: string,
  { journal, intervalMs }: { readonly journal: string; readonly intervalMs: number },
): JsonObject {
  const [command = '', program = ''] = writerCommand;
  return {
    name: plan.name,
    image: imageNames.driver,
    command: [
      command,
      program,
      `--file=${mountPath}/${journal}`,
      `--slot=${slotOfPlan(plan)}`,
      '--pod-uid=$(POD_UID)',
      `--interval-ms=${intervalMs}`,
    ],
    env: [{ name: 'POD_UID', valueFrom: { fieldRef: { fieldPath: 'metadata.uid' } } }],
    resources: { requests: { cpu: '10m', memory: '64Mi' } },
    volumeMounts: [{ name: volume, mountPath }],
  };
}
