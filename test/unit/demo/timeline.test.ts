import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { outageMs, type Story, spansOf, type WriteRecord } from '../../demo/story.ts';
import { textTimeline } from '../../demo/timeline.ts';
import { spread, svgTimeline } from '../../demo/timeline-svg.ts';

function writes(pod: string, machine: string, ...at: number[]): WriteRecord[] {
  return at.map((atMs) => ({ atMs, machine, pod }));
}

const story: Story = {
  title: 'A worker <dies>',
  subtitle: 'three machines & two replicas',
  fromMs: -2_000,
  toMs: 40_000,
  marks: [{ atMs: 0, label: 'power off' }],
  lanes: [
    {
      title: 'With',
      summary: 'writes again',
      good: true,
      workloads: [
        {
          name: 'web',
          spans: [
            { machine: 'a', pod: 'p1', fromMs: -2_000, toMs: 10 },
            { machine: 'b', pod: 'p2', fromMs: 13_000, toMs: 40_000 },
          ],
        },
      ],
      steps: [
        { title: 'First write', detail: 'on b', atMs: 13_000 },
        { title: 'Intent', detail: '', atMs: 11_000 },
      ],
    },
    {
      title: 'Without',
      summary: 'stuck',
      good: false,
      workloads: [{ name: 'web', spans: [{ machine: 'a', pod: 'q1', fromMs: -2_000, toMs: 10 }] }],
      steps: [{ title: 'First write', detail: '', atMs: undefined }],
    },
  ],
};

describe('spansOf', () => {
  it('joins writes of one pod, and parts them by a pause or another pod', () => {
    const spans = spansOf(
      [...writes('p2', 'b', 9_000), ...writes('p1', 'a', 0, 100, 5_000, 5_100)],
      1_000,
    );
    expect(spans).toEqual([
      { machine: 'a', pod: 'p1', fromMs: 0, toMs: 100 },
      { machine: 'a', pod: 'p1', fromMs: 5_000, toMs: 5_100 },
      { machine: 'b', pod: 'p2', fromMs: 9_000, toMs: 9_000 },
    ]);
  });

  it('measures the outage from the failure, or from the last write after it', () => {
    const [first, second] = story.lanes.map((lane) => lane.workloads[0]);
    expect(first && outageMs(first)).toBe(12_990);
    expect(second && outageMs(second)).toBeUndefined();
  });
});

describe('textTimeline', () => {
  it('tells all lanes in the order of time, marks in every lane', () => {
    const lines = textTimeline(story, 80)
      .split('\n')
      .map((line) => line.replaceAll(/ +/g, ' ').trim());
    expect(lines).toEqual([
      'seconds With Without',
      expect.stringMatching(/^-+ -+ -+$/),
      '+0.00 * power off power off',
      '+11.00 Intent',
      '+13.00 First write: on b',
      'never First write',
      '',
      'so writes again stuck',
      '',
    ]);
  });

  it('wraps and never cuts, and stays within the width', () => {
    const detail = 'a long sentence that names the pod, the volume, the node and the next step';
    const lane = story.lanes[0];
    if (lane === undefined) throw new Error('no lane');
    const wide = { ...story, lanes: [{ ...lane, steps: [{ title: 'X', detail, atMs: 1 }] }] };
    const lines = textTimeline(wide, 70).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(70);
    expect(lines.join(' ').replaceAll(/ +/g, ' ')).toContain(detail);
  });
});

describe('svgTimeline', () => {
  const svg = svgTimeline(story);

  it('is a well-formed drawing with its texts escaped', () => {
    expect(svg).toMatch(/^<svg [^>]*viewBox="0 0 1240 \d+/);
    expect(svg).toContain('A worker &lt;dies&gt;');
    expect(svg.match(/<text /g)?.length).toBe(svg.match(/<\/text>/g)?.length);
  });

  it('shows the gap of each lane with its length, and the step that never came', () => {
    expect(svg).toContain('13.0 s without a write');
    expect(svg).toContain('40.0 s without a write, still none');
    expect(svg).toContain('>never<');
  });

  it('contains no number that is none', () => {
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const empty = { ...story, lanes: [], marks: [], fromMs: 0, toMs: 0 };
    expect(svgTimeline(empty)).not.toMatch(/NaN|undefined|Infinity/);
  });
});

describe('spread', () => {
  it('keeps order, distance and bounds', () => {
    const positions = fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 30 });
    fc.assert(
      fc.property(positions, (given) => {
        const wanted = given.sort((a, b) => a - b);
        const places = spread(wanted, 20, { from: 0, to: 1_000 });
        expect(places).toHaveLength(wanted.length);
        places.forEach((place, index) => {
          expect(place).toBeGreaterThanOrEqual(-0.001);
          expect(place).toBeLessThanOrEqual(1_000.001);
          if (index > 0) expect(place - (places[index - 1] ?? 0)).toBeGreaterThanOrEqual(19.999);
        });
      }),
    );
  });

  it('leaves alone what has room', () => {
    expect(spread([100, 200, 300], 20, { from: 0, to: 1_000 })).toEqual([100, 200, 300]);
  });
});
