import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { heartbeatLease, reportAnnotation } from '../../src/shared/names.ts';
import { decodeNodeReport, type NodeReport } from '../../src/shared/record.ts';
import { eventually } from '../machine/eventually.ts';
import { standaloneName } from './example.ts';
import { driverName, driverNamespace } from './installation.ts';
import { labelled, RealStage } from './real-stage.ts';

const [a, b] = ['worker-a', 'worker-b'] as const;
const web = labelled('web');
/** Three probes of the kubelet, one every other heartbeat, and a heartbeat that says so. */
const kubeletToldMs = 20_000;

describe('the agents in a DaemonSet of their own', () => {
  let stage: RealStage;
  /** How long it takes from Ready again with all that they are shipped with. */
  let releasedAfterMs = 45_000;

  beforeAll(async () => {
    stage = await RealStage.open('standalone', { machines: [a, b], variant: 'standalone' });
  }, 300_000);
  afterAll(() => stage?.[Symbol.asyncDispose](), 60_000);

  function reportOf(machine: string): NodeReport | undefined {
    const name = heartbeatLease(driverName, machine);
    const lease = stage.bed.watch.find('leases', name, driverNamespace);
    return decodeNodeReport(lease?.metadata.annotations?.[reportAnnotation]);
  }

  async function reports(what: Partial<NodeReport>, machines: readonly string[] = [a, b]) {
    await eventually(
      () => {
        for (const machine of machines) expect(reportOf(machine)).toMatchObject(what);
        return true;
      },
      { what: `${machines.join(' and ')} to report ${JSON.stringify(what)}`, withinMs: 30_000 },
    );
  }

  async function withKubeletDead(machine: string, meanwhile: () => Promise<unknown>) {
    await stage.bed.machine(machine).killKubelet();
    await meanwhile();
    await stage.bed.machine(machine).restartKubelet();
    await reports({ kubelet: 'ok' }, [machine]);
  }

  /** The pod leaves this machine, which lives, and is back at once. */
  async function failsOver(machine: string): Promise<void> {
    stage.bed.machine(machine).cutApi();
    await stage.moves(web, machine, 60_000);
    stage.bed.machine(machine).healApi();
    await eventually(() => stage.bed.isReady(machine), { what: 'Ready again', withinMs: 60_000 });
    expect(await stage.violations(web)).toEqual([]);
    expect(await stage.damageSoFar(web)).toEqual([]);
  }

  it('beat for every machine, and hear driver and kubelet', async () => {
    await reports({ driver: 'ok', kubelet: 'ok' });
    expect([a, b].map((one) => reportOf(one)?.nodeId)).toEqual([a, b]);
  }, 60_000);

  it('hear that a kubelet is dead', async () => {
    await withKubeletDead(a, () =>
      eventually(() => reportOf(a)?.kubelet === 'dead', { what: 'dead', withinMs: kubeletToldMs }),
    );
  }, 120_000);

  it('have a pod moved, and attest that its machine is clean', async () => {
    await stage.place(web, a);
    await failsOver(a);
    const back = Date.now();
    await stage.released(120_000);
    releasedAfterMs = Date.now() - back;
    await stage.event({ kind: 'Node', name: a, reason: 'NodeReleased' });
  }, 300_000);

  const tolerations = '/spec/template/spec/tolerations';
  const container = '/spec/template/spec/containers/0';

  describe('need what they are shipped with:', () => {
    it('root, to whom the socket of the driver belongs', async () => {
      const nobody = { op: 'replace', value: 65532 };
      const path = `${container}/securityContext`;
      await stage.installation.changeAgents(
        { ...nobody, path: `${path}/runAsUser` },
        { ...nobody, path: `${path}/runAsGroup` },
      );
      await reports({ driver: 'refused' });
    }, 240_000);

    it('the network of the node, or a dead kubelet is not heard', async () => {
      await stage.installation.changeAgents(
        { op: 'replace', path: '/spec/template/spec/hostNetwork', value: false },
        { op: 'replace', path: `${container}/args/3`, value: '--http-endpoint=:9654' },
        { op: 'remove', path: `${container}/livenessProbe/httpGet/host` },
        { op: 'remove', path: `${container}/readinessProbe/httpGet/host` },
      );
      await reports({ driver: 'ok' });
      await withKubeletDead(a, async () => {
        await sleep(kubeletToldMs);
        expect(reportOf(a)?.kubelet).toBe('ok');
      });
    }, 300_000);

    it('the directory of the driver, in which its socket is', async () => {
      await stage.installation.changeAgents({ op: 'remove', path: `${container}/volumeMounts/0` });
      await reports({ driver: 'refused' });
    }, 240_000);

    it('tolerations, or a taint takes the agent from its node', async () => {
      const agents = (): number =>
        stage.bed.watch
          .all('pods')
          .filter(
            ({ metadata, spec }) => metadata.name.startsWith(standaloneName) && spec.nodeName === a,
          ).length;
      const taint = async (change: string): Promise<unknown> =>
        stage.bed.cluster.kubectl(['taint', 'node', a, `example.com/any${change}`]);
      await stage.installation.again();
      await taint('=:NoExecute');
      await reports({ driver: 'ok' });
      expect(agents()).toBe(1);
      await taint('-');
      await stage.installation.ready();
      await stage.installation.changeAgents({ op: 'remove', path: tolerations });
      await taint('=:NoExecute');
      await eventually(() => agents() === 0, { what: 'no agent there', withinMs: 60_000 });
      await taint('-');
    }, 300_000);

    it('mounts as they come and go, or no machine can attest that it is clean', async () => {
      await stage.installation.changeAgents({
        op: 'remove',
        path: `${container}/volumeMounts/1/mountPropagation`,
      });
      await failsOver(b);
      await sleep(releasedAfterMs + 15_000);
      expect(reportOf(b)?.clean).toBeUndefined();
      await stage.installation.again();
      await stage.released(120_000);
    }, 500_000);
  });

  it('have moved the pod without harm', async () => {
    expect(await stage.violations(web)).toEqual([]);
    expect(await stage.damageSoFar(web)).toEqual([]);
  }, 180_000);

  it('go without a trace, and driver and pod go on', async () => {
    const pod = stage.podOf(web);
    await stage.installation.removeOurs();
    await eventually(() => stage.left().length === 0, { what: 'nothing of ours to be left' });
    // Nobody who still runs makes one again.
    await sleep(10_000);
    expect(stage.left()).toEqual([]);
    await stage.writesOn(web, pod?.spec.nodeName ?? '', { since: Date.now() });
    expect(stage.podOf(web)?.metadata.uid).toBe(pod?.metadata.uid);
    expect(await stage.damage(web)).toEqual([]);
  }, 300_000);

  it('leave no rights behind when the driver goes, too', async () => {
    expect(await stage.installation.rights()).not.toEqual([]);
    await stage.installation.remove();
    expect(await stage.installation.rights()).toEqual([]);
    expect(stage.left()).toEqual([]);
  }, 180_000);
});
