import { describe, expect, it } from '@jest/globals';
import { fencePolicy } from '../../../src/controller-mode/fence-policy.ts';

const known = 'csi-powerstore.dellemc.com';
const noFence = 'nfs.csi.k8s.io';
const unknown = 'block.example.com';

describe('what --fence and the driver table come to', () => {
  it.each([
    ['auto', known, false, 'unpublish'],
    ['auto', noFence, false, 'unfenceable'],
    ['auto', noFence, true, 'unsafe'],
    ['auto', unknown, false, 'unfenceable'],
    ['auto', unknown, true, 'unfenceable'],
    ['unpublish', unknown, false, 'unpublish'],
    ['unpublish', noFence, false, 'unpublish'],
    ['none', known, false, 'unfenceable'],
    ['none', unknown, true, 'unsafe'],
    ['network', known, false, 'unfenceable'],
    ['out-of-service', unknown, true, 'unfenceable'],
    ['self', unknown, false, 'unfenceable'],
    ['external', unknown, false, 'unfenceable'],
  ])('--fence=%s for %s, unsafe %s: %s', (option, driver, unsafe, kind) => {
    expect(fencePolicy(option, driver, unsafe).kind).toBe(kind);
  });

  it.each(['auto', 'none', 'network'])('says what to set where %s holds everything', (option) => {
    const policy = fencePolicy(option, unknown, false);
    if (policy.kind !== 'unfenceable') throw new Error('it can be fenced');
    expect(policy.why).toContain(option === 'none' ? '--fence=none' : '--fence');
    expect(policy.why).toContain(option === 'network' ? 'network' : unknown);
  });

  it('does not explain by the table what a person has said against it', () => {
    const policy = fencePolicy('none', known, false);
    expect(policy.kind === 'unfenceable' && policy.why).toContain('--fence=none');
  });

  it('says in one sentence what the unpublish of a driver does', () => {
    const claim = (driver: string): string => {
      const policy = fencePolicy('unpublish', driver, false);
      return policy.kind === 'unpublish' ? policy.claim : '';
    };
    expect(claim(known)).toMatch(/\.$/);
    expect(claim(unknown)).toContain('--fence=unpublish');
    // The table speaks of having no fence, and a person has said otherwise.
    expect(claim(noFence)).toContain('--fence=unpublish');
  });
});
