import { describe, expect, it } from '@jest/globals';
import { OmittedHealth } from '../../../src/controller-mode/omitted-health.ts';
import type { HealthStatus, VolumeHealth } from '../../../src/shared/health.ts';

function listed(words: Readonly<Record<string, HealthStatus>>): Map<string, VolumeHealth> {
  const entries = Object.entries(words);
  return new Map(entries.map(([handle, status]) => [handle, { status, reason: '', message: '' }]));
}

/** What follows from each of these passes for the volumes a and b. */
function after(...passes: Readonly<Record<string, HealthStatus>>[]) {
  const omitted = new OmittedHealth();
  return passes.map((words) => {
    const { volumes, unsure } = omitted.read(listed(words), ['a', 'b']);
    const said = [...volumes].map(([handle, { status }]) => [handle, status]);
    return { ...Object.fromEntries(said), unsure };
  });
}

describe('a listing that names only volumes with trouble', () => {
  it('says that a volume is well when two passes in a row leave it out', () => {
    expect(after({}, {}, {})).toEqual([
      { unsure: [] },
      { a: 'Healthy', b: 'Healthy', unsure: [] },
      { a: 'Healthy', b: 'Healthy', unsure: [] },
    ]);
  });

  it('says nothing of a volume that one pass has lost, and has it asked for', () => {
    expect(after({ a: 'Inaccessible' }, {}, { a: 'Inaccessible' }, {}, {})).toEqual([
      { a: 'Inaccessible', unsure: [] },
      { b: 'Healthy', unsure: ['a'] },
      { a: 'Inaccessible', b: 'Healthy', unsure: [] },
      { b: 'Healthy', unsure: ['a'] },
      { a: 'Healthy', b: 'Healthy', unsure: [] },
    ]);
  });

  it('may also name those that are well, and those of others', () => {
    expect(after({ a: 'Healthy', z: 'DataLoss' })).toEqual([{ a: 'Healthy', unsure: [] }]);
  });

  it('begins again with a volume that was let go and comes back', () => {
    const omitted = new OmittedHealth();
    omitted.read(new Map(), ['a']);
    omitted.read(new Map(), []);
    expect(omitted.read(new Map(), ['a']).volumes.size).toBe(0);
  });
});
