import { type Lane, type Mark, type Step, type Story, seconds } from './story.ts';

/**
 * The story as two columns of text, in the order of time. `columns` is the width of the terminal;
 * what does not fit is wrapped, never cut.
 */
export function textTimeline(story: Story, columns = 100): string {
  const time = 9;
  const gap = 3;
  const width = Math.max(24, Math.floor((columns - time - gap * story.lanes.length) / 2));
  const row = (at: string, cells: readonly string[]): string[] => {
    const wrapped = cells.map((cell) => wrap(cell, width));
    const height = Math.max(1, ...wrapped.map((lines) => lines.length));
    return Array.from({ length: height }, (_, line) =>
      [
        (line === 0 ? at : '').padStart(time),
        ...wrapped.map((lines) => (lines[line] ?? '').padEnd(width)),
      ]
        .join(' '.repeat(gap))
        .trimEnd(),
    );
  };
  const head = [
    ...row(
      'seconds',
      story.lanes.map((lane) => lane.title),
    ),
    ...row(
      '-------',
      story.lanes.map(() => '-'.repeat(width)),
    ),
  ];
  const body = momentsOf(story).flatMap((moment) =>
    row(
      moment.mark ? `${seconds(moment.atMs)} *` : `${seconds(moment.atMs)}  `,
      story.lanes.map((_, lane) =>
        moment.mark || moment.lane === lane ? sentence(moment.step) : '',
      ),
    ),
  );
  const missing = row(
    'never  ',
    story.lanes.map((lane) =>
      lane.steps
        .filter((step) => step.atMs === undefined)
        .map(sentence)
        .join('; '),
    ),
  );
  const never = story.lanes.some((lane) => lane.steps.some((step) => step.atMs === undefined));
  const foot = row(
    'so',
    story.lanes.map((lane) => lane.summary),
  );
  return [...head, ...body, ...(never ? missing : []), '', ...foot].join('\n').concat('\n');
}

interface Moment {
  readonly atMs: number;
  readonly lane: number;
  readonly mark: boolean;
  readonly step: Step;
}

function momentsOf(story: Story): readonly Moment[] {
  const marks = story.marks.map((mark: Mark) => ({
    atMs: mark.atMs,
    lane: -1,
    mark: true,
    step: { title: mark.label, detail: '', atMs: mark.atMs },
  }));
  const steps = story.lanes.flatMap((lane: Lane, index) =>
    lane.steps.flatMap((step) =>
      step.atMs === undefined ? [] : [{ atMs: step.atMs, lane: index, mark: false, step }],
    ),
  );
  return [...marks, ...steps].sort((a, b) => a.atMs - b.atMs || a.lane - b.lane);
}

function sentence(step: Step): string {
  return step.detail === '' ? step.title : `${step.title}: ${step.detail}`;
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}
