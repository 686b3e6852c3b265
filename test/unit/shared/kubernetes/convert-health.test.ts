import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { JsonObject } from '../../../../src/shared/effect.ts';
import { claimView, csiNodeView } from '../../../../src/shared/kubernetes/convert.ts';
import { podView } from '../../../../src/shared/kubernetes/convert-pod.ts';

/** The shapes are those of k8s.io/api v0.37.0. */

function condition(status: string, reason = 'Because') {
  return { status, reason, message: 'first line\nsecond line' };
}

function said(status: string, reason = 'Because') {
  return { status, reason, message: 'first line second line' };
}

const lastTransitionTime = '2026-01-01T00:00:00Z';

describe('status.healthStatus of a claim', () => {
  function health(healthStatus: unknown) {
    return claimView({ status: { healthStatus } } as JsonObject).health;
  }

  it('is the worst of its conditions', () => {
    const healthConditions = [condition('Degraded'), condition('Inaccessible', 'NoPath')];
    expect(health({ healthConditions, lastTransitionTime })).toEqual(
      said('Inaccessible', 'NoPath'),
    );
    expect(health({ healthConditions: [condition('DataLoss')] })).toEqual(said('DataLoss'));
  });

  it('is healthy without conditions', () => {
    expect(health({ lastTransitionTime })?.status).toBe('Healthy');
    expect(health({ healthConditions: [] })?.status).toBe('Healthy');
    expect(health({ healthConditions: null })?.status).toBe('Healthy');
  });

  it('says nothing where it is missing', () => {
    expect(health(undefined)).toBeUndefined();
    expect(health(null)).toBeUndefined();
    expect('health' in claimView({})).toBe(false);
  });

  it.each([
    ['a word that nobody knows yet', { healthConditions: [condition('OnFire')] }],
    ['Healthy, which is no word of it', { healthConditions: [condition('Healthy')] }],
    ['a condition of another type', { healthConditions: ['Inaccessible'] }],
    ['null in the list', { healthConditions: [null] }],
    ['no list', { healthConditions: { status: 'Inaccessible' } }],
    ['a text', 'Inaccessible'],
    ['a list', [condition('Inaccessible')]],
    ['a truth', true],
  ])('is unknown if it is %s', (_, healthStatus) => {
    expect(health(healthStatus)?.status).toBe('Unknown');
  });

  it('never reads as healthy or bad by anything but the words of the API', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (json) => {
        const found = health(json)?.status;
        const conditions = (json as JsonObject | null)?.healthConditions;
        const isEmpty =
          [undefined, null].includes(conditions as null) || isDeepStrictEqual(conditions, []);
        if (found === 'Healthy') expect(isEmpty).toBe(true);
        else expect([undefined, 'Unknown']).toContain(found);
      }),
      { numRuns: 500 },
    );
  });
});

describe('status.volumeHealth of a pod', () => {
  function adverse(volumeHealth: unknown) {
    const volumes = ['a', 'b'].map((name) => ({
      name,
      persistentVolumeClaim: { claimName: `claim-${name}` },
    }));
    const pod = podView({ spec: { volumes }, status: { volumeHealth } } as JsonObject, []);
    return pod.volumes.map((volume) => (volume.kind === 'claim' ? volume.adverse : 'no claim'));
  }

  it('stands on the volume that it names', () => {
    const healthConditions = [condition('Inaccessible')];
    const sick = { name: 'b', healthConditions, lastTransitionTime };
    expect(adverse([sick])).toEqual([undefined, said('Inaccessible')]);
    expect(adverse([{ ...sick, name: 'c' }])).toEqual([undefined, undefined]);
  });

  it.each([
    ['nothing adverse', [{ name: 'a', healthConditions: [] }]],
    ['nothing at all', [{ name: 'a' }]],
    ['a word that nobody knows', [{ name: 'a', healthConditions: [condition('OnFire')] }]],
    ['no list', [{ name: 'a', healthConditions: 'Inaccessible' }]],
    ['no name', [{ healthConditions: [condition('Inaccessible')] }, null, 7]],
    ['no entries', 'Inaccessible'],
    ['null', null],
  ])('says nothing if it has %s', (_, volumeHealth) => {
    expect(adverse(volumeHealth)).toEqual([undefined, undefined]);
  });
});

describe('status.storageHealth of a CSINode', () => {
  function unreachable(storageHealth: unknown) {
    return csiNodeView({ status: { storageHealth } } as JsonObject).unreachable;
  }
  const gone = condition('StorageUnreachable');

  it('names the drivers whose storage is unreachable', () => {
    const fine = { name: 'fine', healthConditions: [condition('StorageDegraded')] };
    expect(unreachable([{ name: 'd', healthConditions: [gone] }, fine])).toEqual(['d']);
  });

  it('does not count what holds for some modes only', () => {
    const some = [
      { ...gone, accessMode: 'ReadWriteMany' },
      { ...gone, volumeMode: 'Block' },
    ];
    expect(unreachable([{ name: 'd', healthConditions: some }])).toBeUndefined();
    const all = { ...gone, accessMode: null, volumeMode: null };
    expect(unreachable([{ name: 'd', healthConditions: [all] }])).toEqual(['d']);
  });

  it('says nothing where it is missing or cannot be read', () => {
    for (const json of [undefined, null, 'x', [null], [{ healthConditions: [gone] }], {}]) {
      expect(unreachable(json)).toBeUndefined();
    }
    expect(unreachable([{ name: 'd', healthConditions: gone }])).toBeUndefined();
  });
});
