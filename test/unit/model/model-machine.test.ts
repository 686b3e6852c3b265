/** A kubelet's Lease, which is renewed without a whole decision while nothing else has changed. */
import { describe, expect, it } from '@jest/globals';
import { ModelCluster } from '../../model/cluster.ts';

const second = 1_000;
const place = { namespace: 'kube-node-lease', name: 'a' };

function renewTime(cluster: ModelCluster): string | undefined {
  return cluster.store.find('leases', place.name, place.namespace)?.spec?.renewTime;
}

/** How often its Lease was renewed in this time. */
function renewals(cluster: ModelCluster, durationMs: number): number {
  let count = 0;
  let before = renewTime(cluster);
  cluster.run(durationMs, () => {
    const now = renewTime(cluster);
    if (now !== undefined && now !== before) count += 1;
    before = now;
    return false;
  });
  return count;
}

function settledCluster(): ModelCluster {
  const cluster = new ModelCluster();
  cluster.addStatefulSet('web');
  cluster.run(30 * second, () => cluster.isRunning('web-0'));
  cluster.run(5 * second);
  return cluster;
}

describe('the Lease of a kubelet', () => {
  it('is renewed every 10 s, whatever else happens', () => {
    const cluster = settledCluster();
    expect(renewals(cluster, 100 * second)).toBe(10);
    cluster.store.patch(
      'pods',
      { namespace: 'default', name: 'web-0' },
      { metadata: { labels: { x: 'y' } } },
    );
    expect(renewals(cluster, 100 * second)).toBe(10);
  });

  it('is made anew when somebody has deleted it', () => {
    const cluster = settledCluster();
    cluster.store.delete('leases', place);
    cluster.run(11 * second);
    expect(renewTime(cluster)).toBeDefined();
    expect(renewals(cluster, 50 * second)).toBe(5);
  });

  it('is renewed by a kubelet that hears nothing any more, and not by one that nobody hears', () => {
    const cluster = settledCluster();
    cluster.machine('a').deafen(true);
    expect(renewals(cluster, 50 * second)).toBe(5);
    cluster.machine('a').mute(true);
    expect(renewals(cluster, 50 * second)).toBe(0);
  });

  it('keeps nobody from what is due beside it: a node that is called not ready is set right', () => {
    const cluster = settledCluster();
    cluster.machine('a').mute(true);
    cluster.run(70 * second);
    const ready = (): string | undefined =>
      cluster.store.find('nodes', 'a')?.status?.conditions?.find(({ type }) => type === 'Ready')
        ?.status;
    expect(ready()).toBe('Unknown');
    cluster.machine('a').mute(false);
    cluster.run(11 * second);
    expect(ready()).toBe('True');
  });
});
