/** What `kubectl describe` shows of a failover: which object it is, and our Events. */
import { claimName, type WorkloadPlan } from '../machine/workload-objects.ts';
import type { RealStage } from './real-stage.ts';

export async function sightOf(
  stage: RealStage,
  kind: 'pod' | 'pvc' | 'node',
  name: string,
): Promise<string> {
  const described = await stage.bed.cluster.kubectl(['describe', kind, name]);
  const [head = '', events = ''] = described.split('\nEvents:');
  const fields = head
    .split('\n')
    .filter((line) => /^(Name|Node|Status|Volume):|^Taints:.*csi-failover/.test(line))
    .map((line) => line.trimEnd());
  const [titles = '', , ...rows] = events.replace(/^\s*\n/, '').split('\n');
  const ours = rows.filter((row) => /\scsi-failover\s/.test(row));
  return [`$ kubectl describe ${kind} ${name}`, ...fields, 'Events:', titles, ...ours, ''].join(
    '\n',
  );
}

/** The objects that people look at, while the machine is fenced. */
export async function sightOfFailover(
  stage: RealStage,
  plan: WorkloadPlan,
  from: string,
): Promise<string> {
  const pod = await sightOf(stage, 'pod', `${plan.name}-0`);
  const claim = await sightOf(stage, 'pvc', claimName(plan));
  return [pod, claim, await sightOf(stage, 'node', from)].join('\n');
}
