import { beforeEach, describe, expect, it } from '@jest/globals';
import { holdFinalizer } from '../../../src/shared/names.ts';
import { protectedSteps, returnSteps, unprotectedSteps } from '../../demo/steps.ts';
import type { Step } from '../../demo/story.ts';
import { Script, zero } from './script.ts';

let script: Script;

beforeEach(() => {
  script = new Script();
});

function times(steps: readonly Step[]): readonly (number | undefined)[] {
  return steps.map((step) => step.atMs);
}

describe('protectedSteps', () => {
  it('finds every step at its time', () => {
    script.failover();
    const steps = protectedSteps(script.scene());
    expect(times(steps)).toEqual([
      20, 11_000, 11_100, 11_200, 11_300, 11_400, 11_450, 11_600, 11_700, 12_000, 13_000,
    ]);
    expect(steps[1]).toMatchObject({ title: 'Verdict Lost, intent written' });
    expect(steps[1]?.detail).toContain('heartbeat silent for 12.0 s');
    expect(steps[8]?.detail).toBe('worker-b');
  });

  it('reports what did not happen as never', () => {
    const [, ...steps] = protectedSteps(script.scene());
    expect(new Set(times(steps))).toEqual(new Set([undefined]));
  });

  it('does not take a confirmed hold for a gone attachment', () => {
    script.patch('volumeattachments', 'va-shop-worker-a', {
      metadata: { finalizers: [holdFinalizer] },
    });
    script.store.delete('volumeattachments', { name: 'va-shop-worker-a' });
    const steps = protectedSteps(script.scene());
    const byTitle = new Map(steps.map((step) => [step.title, step.atMs]));
    expect([byTitle.get('Fence confirmed'), byTitle.get('Detached')]).toEqual([20, undefined]);
  });
});

describe('returnSteps', () => {
  it('needs a new boot id, the epoch in the attestation, and the taint gone', () => {
    script.failover();
    script.at = zero + 32_500;
    script.booted('boot-1');
    script.attest('e0');
    expect(times(returnSteps(script.scene(), zero + 32_000))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    script.comeBack();
    expect(times(returnSteps(script.scene(), zero + 32_000))).toEqual([33_000, 36_000, 45_000]);
  });
});

describe('unprotectedSteps', () => {
  it('tells of pods that stay, and of writes that come back with the machine', () => {
    script.failover();
    script.comeBack();
    const steps = unprotectedSteps(script.scene('shop-plain'), zero + 31_000);
    expect(steps.map(({ title, atMs }) => [title, atMs])).toEqual([
      ['Last write', 20],
      ['1 of 1 pods still bound to dead worker-a', 31_000],
      ['Replacements attached elsewhere', undefined],
      ['Same pods write again', 33_500],
    ]);
  });

  it('counts a pod that was deleted as moved', () => {
    script.at = zero + 5_000;
    script.deletePod('shop-plain');
    const steps = unprotectedSteps(script.scene('shop-plain'), zero + 31_000);
    expect(steps[1]?.title).toBe('0 of 1 pods still bound to dead worker-a');
  });
});
