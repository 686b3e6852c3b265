import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { holdFinalizer, outOfServiceTaint } from '../../src/shared/names.ts';
import { setNodeId } from '../e2e/node-id.ts';
import { must } from '../machine/create-workload.ts';
import { eventually } from '../machine/eventually.ts';
import { pvName, volumeHandle } from '../machine/workload-objects.ts';
import type { Node } from '../model/objects.ts';
import { writeAgain } from '../scenarios/writes-on.ts';
import { driverName } from './installation.ts';
import { onStage } from './on-stage.ts';
import { labelled, type RealStage, unlabelled } from './real-stage.ts';

const [a, b] = ['worker-a', 'worker-b'] as const;
const web = labelled('web');
const leaving = unlabelled('leaving');
const shared = labelled('shared', { kind: 'Deployment', accessMode: 'ReadWriteMany' });
/** Longer than everything takes that would come next, if it came. */
const longMs = 10_000;

describe('a machine that loses its power where an object of the API is in the way', () => {
  let stage: RealStage;
  let off: ReturnType<RealStage['mark']>;

  onStage({
    name: 'held-machines',
    options: { machines: [a, b] },
    plans: [web, leaving, shared],
    begin: async (opened) => {
      stage = opened;
      await stage.place(web, a);
    },
  });

  async function powerOff(machine: string): Promise<void> {
    off = stage.mark();
    await stage.bed.machine(machine).powerOff();
  }

  async function held(plan: typeof web, says: string): Promise<void> {
    const name = stage.podOf(plan)?.metadata.name ?? '';
    const since = off.at;
    await stage.event({ kind: 'Pod', name, reason: 'FailoverHeld', says, since, withinMs: 60_000 });
  }

  /** Its pod is still the one that it was, and nobody of us has done anything. */
  async function goesOn(plan: typeof web, machine: string): Promise<void> {
    const uid = stage.podOf(plan)?.metadata.uid;
    await sleep(longMs);
    expect(stage.oursSince(off)).toEqual([]);
    expect(await writeAgain(stage, machine, [plan], 90_000)).toEqual([uid]);
    await stage.installation.ready();
    expect(stage.oursSince(off)).toEqual([]);
  }

  async function publishedTo(plan: typeof web): Promise<readonly string[]> {
    const volumes = await stage.bed.array.volumes();
    return volumes.find(({ handle }) => handle === volumeHandle(plan))?.publishedNodes ?? [];
  }

  it("held, when a person has put Kubernetes' own taint on it, which then does what it can", async () => {
    await powerOff(a);
    // Node Shutdown: "Non-graceful node shutdown handling".
    const taint = `${outOfServiceTaint}=nodeshutdown:NoExecute`;
    await stage.bed.cluster.kubectl(['taint', 'node', a, taint]);
    await held(web, `other-remediator: somebody else put ${outOfServiceTaint}=nodeshutdown`);
    // As soon as Kubernetes has seen for itself that the kubelet is gone, and PodGC has looked.
    await stage.moves(web, a, 150_000);
    await stage.bed.machine(a).boot();
    await stage.bed.cluster.kubectl(['taint', 'node', a, `${taint}-`]);
    await stage.installation.ready();
    expect(stage.oursSince(off)).toEqual([]);
  }, 400_000);

  it('moved without the fast path, when that would tear a volume off a pod that is leaving', async () => {
    await stage.place(leaving, b);
    await powerOff(b);
    // Its kubelet will never say that it has ended.
    const pod = { namespace: leaving.namespace, name: 'leaving-0' };
    await stage.bed.api.delete('pods', pod, { gracePeriodSeconds: 5 });
    // Detection, and then the 60 s of attach/detach's own sync.
    await stage.moves(web, b, 120_000);
    const taints = stage
      .changes(off)
      .flatMap(({ resource, object }) =>
        resource === 'nodes' ? ((object as Node).spec?.taints ?? []) : [],
      );
    expect(taints.filter(({ key }) => key === outOfServiceTaint)).toEqual([]);
    const attachments = stage.bed.watch.all('volumeattachments');
    const its = attachments.find(
      ({ spec }) => spec.source.persistentVolumeName === pvName(leaving),
    );
    expect(its).toMatchObject({ spec: { nodeName: b }, status: { attached: true } });
    expect(its?.metadata.deletionTimestamp).toBeUndefined();
    expect(its?.metadata.finalizers).not.toContain(holdFinalizer);
    await stage.bed.machine(b).boot();
    await stage.released(120_000);
    expect(stage.episodesSince(off)).toBe(1);
    await stage.installation.ready();
    // As any pod of a StatefulSet that ended.
    await stage.writesOn(leaving, [a, b], { since: Date.now(), withinMs: 90_000 });
  }, 400_000);

  it('held, when its CSINode says another node id; both right again when it is back', async () => {
    await setNodeId(stage.bed.api, a, `${a}-again`);
    await powerOff(a);
    await held(web, 'node-id-changed: ');
    expect(await publishedTo(web)).toContain(a);
    await goesOn(web, a);
    const drivers = stage.bed.watch.find('csinodes', a)?.spec.drivers;
    expect(drivers).toMatchObject([{ name: driverName, nodeID: a }]);
  }, 240_000);

  it('and after that file systems and journals are whole', async () => {
    for (const plan of [web, leaving]) expect(await stage.damage(plan)).toEqual([]);
  }, 240_000);

  it('held, when the driver attaches nothing, so that nothing can be taken away', async () => {
    await attachNothing();
    // As an export that all nodes are let in to, for good.
    await stage.bed.array.create(volumeHandle(shared));
    for (const machine of [a, b]) await stage.bed.array.publish(volumeHandle(shared), machine);
    await stage.place(shared, a);
    expect(stage.bed.watch.all('volumeattachments')).toEqual([]);
    await powerOff(a);
    await held(shared, `unfenceable: CSIDriver ${driverName} is not there with attachRequired`);
    await goesOn(shared, a);
    expect(await publishedTo(shared)).toEqual([a, b]);
    expect(await stage.damage(shared)).toEqual([]);
  }, 300_000);

  /** Nobody can change that of a CSIDriver: it is another one. */
  async function attachNothing(): Promise<void> {
    const { api, watch } = stage.bed;
    await api.delete('csidrivers', { name: driverName }, { gracePeriodSeconds: 0 });
    await eventually(() => watch.find('csidrivers', driverName) === undefined, {
      what: 'no driver',
    });
    const spec = { attachRequired: false, podInfoOnMount: false };
    must(await api.create('csidrivers', { metadata: { name: driverName }, spec }));
  }
});
