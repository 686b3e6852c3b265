import { describe, expect, it } from '@jest/globals';
import { policy, renewMs } from './views.ts';
import { World } from './world.ts';

const kubeletLostAfterMs = 30_000;

/** The kubelet of n1 renewed 10 s ago, its agent calls it dead, and its Lease is deleted. */
function withoutLease(): { readonly world: World; readonly goneAt: number } {
  const world = World.healthy();
  world.renew('n1');
  world.silent('n1', 'kubelet').pass(10_000);
  const lease = world.state.kubeletLeases.get('kube-node-lease/n1')?.view;
  if (lease === undefined) throw new Error('the kubelet has no Lease');
  world.remove(lease, 'kubeletLeases');
  world.beat('n1', { kubelet: 'dead' });
  return { world, goneAt: world.now };
}

describe('a kubelet whose Lease is deleted', () => {
  it('is not silent for longer than that, whatever our view is good for', () => {
    const { world, goneAt } = withoutLease();
    expect(world.verdict('n1').kind).toBe('Alive');
    world.pass(kubeletLostAfterMs - 1_000);
    expect(world.verdict('n1').kind).toBe('Suspect');
    world.pass(1_000);
    expect(world.verdict('n1')).toMatchObject({ kind: 'KubeletDead', since: goneAt });
  });

  it('has fallen silent anew when it has made another one', () => {
    const { world } = withoutLease();
    world.pass(20_000);
    const [lease] = world.state.kubeletLeases.values();
    if (lease === undefined) throw new Error('no kubelet has a Lease');
    const { resourceVersion, ...view } = lease.view;
    world.put({ ...view, resourceVersion, name: 'n1', uid: 'uid-of-the-next' }, 'kubeletLeases');
    world.pass(kubeletLostAfterMs - 1_000);
    expect(world.verdict('n1').kind).toBe('Suspect');
  });

  it('leaves nothing behind when its Node went before', () => {
    const { world } = withoutLease();
    world.renew('n2');
    const { nodes, csinodes, kubeletLeases, memory } = world.state;
    for (const object of [nodes.get('n2'), csinodes.get('n2')]) {
      if (object !== undefined) world.remove(object);
    }
    const lease = kubeletLeases.get('kube-node-lease/n2')?.view;
    if (lease !== undefined) world.remove(lease, 'kubeletLeases');
    expect(memory.has('n2')).toBe(false);
  });
});

describe('an agent whose Lease is deleted', () => {
  /** Its kubelet has been silent for long, which Kubernetes has seen; the agent renewed until now. */
  function withoutHeartbeat(): World {
    const world = World.healthy();
    world.silent('n1', 'kubelet').pass(2 * renewMs);
    world.changeNode('n1', { ready: 'Unknown' });
    world.remove(world.heartbeat('n1'), 'heartbeats');
    return world.silent('n1', 'agent');
  }

  it('is not silent for longer than that, and its node in trouble meanwhile', () => {
    const world = withoutHeartbeat();
    const goneAt = world.now;
    expect(world.verdict('n1')).toMatchObject({ kind: 'Suspect', since: goneAt });
    world.pass(policy.lostAfterMs - 1_000);
    expect(world.verdict('n1')).toMatchObject({ kind: 'Suspect', since: goneAt });
    world.pass(1_000);
    expect(world.verdict('n1')).toMatchObject({ kind: 'Lost', reason: 'node-not-ready' });
  });

  it('is only missing while its kubelet renews', () => {
    const world = withoutHeartbeat();
    world.back('n1', 'kubelet');
    expect(world.verdict('n1')).toMatchObject({ kind: 'AgentDown', reason: 'agent-never-seen' });
  });
});
