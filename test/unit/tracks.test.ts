import { existsSync, globSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import LongestFirst, { longest } from '../longest-first.ts';
import { filesOf, stages } from '../stages.ts';
import { type Planned, type Progress, startable } from '../tracks.ts';

const build: Planned = { name: 'build', track: 'build' };
const compute: Planned = { name: 'compute', track: 'work' };
const more: Planned = { name: 'more', track: 'work' };
const hunt: Planned = { name: 'hunt', track: 'seeds' };
const wait: Planned = { name: 'wait', track: 'model' };
const use: Planned = { name: 'use', track: 'real', after: ['build'] };
const measure: Planned = { name: 'measure', track: 'measured' };
const sum: Planned = { name: 'sum', track: 'measured' };
const all = [build, compute, more, wait, use, measure, sum];

/** What may begin when these have ended and those run. */
function names(ended: readonly Planned[], running: readonly Planned[] = []): readonly string[] {
  const setOf = (some: readonly Planned[]) => new Set(some.map(({ name }) => name));
  return startable(all, { ended: setOf(ended), running: setOf(running) }).map(({ name }) => name);
}

describe('the stages that may begin', () => {
  it('are the first ones of each track', () => {
    expect(names([])).toEqual(['build', 'compute', 'wait']);
  });

  it('do not run beside another one of their track', () => {
    expect(names([], [build, compute, wait])).toEqual([]);
    expect(names([build, compute], [wait])).toEqual(['more', 'use']);
    expect(names([build], [wait, compute])).toEqual(['use']);
  });

  it('come after what they use, and without it where that is not planned', () => {
    expect(names([wait, compute, more], [build])).toEqual([]);
    const progress: Progress = { running: new Set(), ended: new Set() };
    expect(startable([use], progress)).toEqual([use]);
  });

  it('are measured one by one, when all that is not patient has ended', () => {
    expect(names([build, compute, more, wait], [use])).toEqual([]);
    expect(names([build, compute, more, use], [wait])).toEqual([]);
    expect(names([build, compute, more, wait, use])).toEqual(['measure']);
    expect(names([build, compute, more, wait, use], [measure])).toEqual([]);
    expect(names([build, compute, more, wait, use, measure])).toEqual(['sum']);
  });

  it('are measured beside what is patient', () => {
    const planned = [hunt, wait, measure];
    const running = new Set(['hunt']);
    expect(startable(planned, { running, ended: new Set() })).toEqual([wait]);
    expect(startable(planned, { running, ended: new Set(['wait']) })).toEqual([measure]);
    const alone = { ...measure, alone: true } as const;
    const ended = new Set(['wait']);
    expect(startable([hunt, wait, alone], { running, ended })).toEqual([]);
    expect(startable([hunt, wait, alone], { running, ended: ended.add('hunt') })).toEqual([alone]);
  });
});

describe('the stages of this project', () => {
  it.each(['check', 'all', 'e2e', 'real'] as const)('of %s all get their turn', (plan) => {
    const planned = stages.filter(({ plans }) => plans.includes(plan));
    const ended = new Set<string>();
    for (let turn = 0; turn < planned.length; turn += 1) {
      for (const { name } of startable(planned, { running: new Set(), ended })) ended.add(name);
    }
    expect([...ended].sort()).toEqual(planned.map(({ name }) => name).sort());
  });

  it('of make test run each file of unit tests once', () => {
    const run = stages
      .filter(({ plans }) => plans.includes('all'))
      .flatMap((stage) => ('tests' in stage.run ? filesOf(stage.run, '.') : []));
    expect(run.filter((file) => file.startsWith('test/unit/')).sort()).toEqual(
      globSync('test/unit/**/*.test.ts').sort(),
    );
  });

  it('use nothing that has another name', () => {
    const known = stages.map(({ name }) => name);
    expect(new Set(known).size).toBe(known.length);
    expect(stages.flatMap(({ after = [] }) => after)).toEqual(
      stages.flatMap(({ after = [] }) => after.filter((name) => known.includes(name))),
    );
  });
});

describe('the files that begin first', () => {
  it('are there', () => {
    expect(longest.filter((file) => !existsSync(file))).toEqual([]);
    expect(new Set(longest).size).toBe(longest.length);
  });

  it('are the longest, then the largest', () => {
    const [first = '', second = ''] = longest;
    const [large, small] = ['test/unit/tracks.test.ts', 'test/e2e/api-contract.test.ts'];
    const tests = [small, second, large, first].map((path) => ({ path: `./${path}` }));
    const order = new LongestFirst().sort(tests).map(({ path }) => path);
    expect(order).toEqual([first, second, large, small].map((path) => `./${path}`));
  });
});
