import { type Lane, type Span, type Step, type Story, seconds, type Workload } from './story.ts';

const page = { width: 1240, margin: 44, names: 200 } as const;
const row = { height: 24, pitch: 36 } as const;
const ink = {
  text: '#1b1f24',
  muted: '#57606a',
  grid: '#e4e8ec',
  axis: '#8c959f',
  gap: '#fdecea',
  gapEdge: '#e3a8a2',
  bad: '#a3271d',
  good: '#0b6b53',
  mark: '#6e3aa8',
} as const;
/** Told apart by people who see colours differently, too, and each labelled with its name. */
const machineColours = ['#2f6db5', '#0f8b6d', '#b4690e', '#7a5195', '#4a5568'] as const;

/** The story as a drawing: lanes of writes above one time axis, numbered steps and their list. */
export function svgTimeline(story: Story): string {
  const scale = scaleOf(story);
  const machines = machinesOf(story);
  const parts: string[] = [];
  let y = 132;
  const chartTop = y;
  const numbers = numbered(story);
  for (const lane of story.lanes) {
    const drawn = drawLane({ lane, y, scale, machines, story, number: numbers });
    parts.push(drawn.svg);
    y = drawn.bottom;
  }
  const axis = drawAxis(story, scale, chartTop - 14, y);
  const marks = story.marks.map((mark) => drawMark(mark, scale, chartTop - 14, y));
  const list = drawSteps(story, numbers, y + 64);
  const height = list.bottom + 28;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${page.width} ${height}" width="${page.width}" height="${height}" font-family="Inter, 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="14" fill="${ink.text}">`,
    `<title>${escape(story.title)}</title>`,
    `<rect width="100%" height="100%" fill="#ffffff"/>`,
    label(page.margin, 50, story.title, { size: 24, weight: 700 }),
    label(page.margin, 76, story.subtitle, { fill: ink.muted }),
    drawLegend(machines),
    axis,
    ...marks,
    ...parts,
    list.svg,
    '</svg>',
    '',
  ].join('\n');
}

type Scale = (ms: number) => number;

function scaleOf(story: Story): Scale {
  const left = page.margin + page.names;
  const width = page.width - page.margin - left;
  return (ms) => left + ((ms - story.fromMs) / Math.max(1, story.toMs - story.fromMs)) * width;
}

function machinesOf(story: Story): readonly string[] {
  const all = story.lanes.flatMap((lane) =>
    lane.workloads.flatMap((workload) => workload.spans.map((span) => span.machine)),
  );
  return [...new Set(all)].sort();
}

function colourOf(machine: string, machines: readonly string[]): string {
  return machineColours[machines.indexOf(machine) % machineColours.length] ?? machineColours[0];
}

/** Steps that happened are numbered through all lanes, so that a number means one thing. */
function numbered(story: Story): ReadonlyMap<Step, number> {
  const happened = story.lanes.flatMap((lane) =>
    lane.steps
      .filter((step) => step.atMs !== undefined)
      .toSorted((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0)),
  );
  return new Map(happened.map((step, index) => [step, index + 1]));
}

interface LaneDrawing {
  readonly lane: Lane;
  readonly y: number;
  readonly scale: Scale;
  readonly machines: readonly string[];
  readonly story: Story;
  readonly number: ReadonlyMap<Step, number>;
}

function drawLane(drawing: LaneDrawing): { readonly svg: string; readonly bottom: number } {
  const { lane, scale, machines, story } = drawing;
  const parts = [
    label(page.margin, drawing.y + 14, lane.title, { size: 16, weight: 600, halo: true }),
    label(page.width - page.margin, drawing.y + 14, lane.summary, {
      anchor: 'end',
      weight: 600,
      fill: lane.good ? ink.good : ink.bad,
      halo: true,
    }),
  ];
  let y = drawing.y + 30;
  for (const workload of lane.workloads) {
    parts.push(
      label(page.margin, y + 17, workload.name, { fill: ink.muted }),
      ...gapsOf(workload, story).map((gap) => drawGap(gap, y, scale)),
      ...workload.spans.map((span) => drawSpan(span, y, scale, colourOf(span.machine, machines))),
    );
    y += row.pitch;
  }
  const markers = drawMarkers(drawing, y + 18);
  return { svg: [...parts, markers].join('\n'), bottom: y + 56 };
}

interface Gap {
  readonly fromMs: number;
  readonly toMs: number;
  readonly open: boolean;
}

/** Where nothing was written for more than a second, to the end of the story if it stayed so. */
function gapsOf(workload: Workload, story: Story): readonly Gap[] {
  return workload.spans.flatMap((span, index) => {
    const next = workload.spans[index + 1];
    const gap = { fromMs: span.toMs, toMs: next?.fromMs ?? story.toMs, open: next === undefined };
    return gap.toMs - gap.fromMs > 1_000 ? [gap] : [];
  });
}

function drawGap(gap: Gap, y: number, scale: Scale): string {
  const x = scale(gap.fromMs);
  const width = scale(gap.toMs) - x;
  const words = `${((gap.toMs - gap.fromMs) / 1000).toFixed(1)} s without a write`;
  const fits = width > words.length * 7.2;
  return [
    `<rect x="${fix(x)}" y="${y}" width="${fix(width)}" height="${row.height}" fill="${ink.gap}" stroke="${ink.gapEdge}" stroke-dasharray="4 3"/>`,
    fits
      ? label(x + width / 2, y + 17, gap.open ? `${words}, still none` : words, {
          anchor: 'middle',
          fill: ink.bad,
          size: 13,
        })
      : '',
  ].join('');
}

function drawSpan(span: Span, y: number, scale: Scale, colour: string): string {
  const x = scale(span.fromMs);
  const width = Math.max(3, scale(span.toMs) - x);
  const name = width > span.machine.length * 8 + 8;
  return [
    `<rect x="${fix(x)}" y="${y}" width="${fix(width)}" height="${row.height}" rx="3" fill="${colour}"/>`,
    name ? label(x + 8, y + 17, span.machine, { fill: '#ffffff', size: 13, weight: 600 }) : '',
  ].join('');
}

const marker = { radius: 10, pitch: 23 } as const;

/** Numbered circles below the rows, moved apart where they would overlap, each with its line. */
function drawMarkers(drawing: LaneDrawing, y: number): string {
  const steps = drawing.lane.steps
    .filter((step) => step.atMs !== undefined)
    .toSorted((a, b) => (a.atMs ?? 0) - (b.atMs ?? 0));
  const wanted = steps.map((step) => drawing.scale(step.atMs ?? 0));
  const places = spread(wanted, marker.pitch, {
    from: page.margin + page.names,
    to: page.width - page.margin,
  });
  return steps
    .map((step, index) => {
      const x = places[index] ?? 0;
      const at = wanted[index] ?? 0;
      return [
        `<path d="M${fix(at)} ${y - 22} V${y - 16} L${fix(x)} ${y - marker.radius}" fill="none" stroke="${ink.axis}"/>`,
        `<circle cx="${fix(x)}" cy="${y}" r="${marker.radius}" fill="#ffffff" stroke="${ink.text}"/>`,
        label(x, y + 4, String(drawing.number.get(step) ?? ''), {
          anchor: 'middle',
          size: 11,
          weight: 600,
        }),
      ].join('');
    })
    .join('\n');
}

/**
 * Moves ascending positions apart to `pitch`, each group of neighbours around its own middle, and
 * all within the bounds where they fit.
 */
export function spread(
  wanted: readonly number[],
  pitch: number,
  bounds: { readonly from: number; readonly to: number },
): readonly number[] {
  let groups = wanted.map((at) => ({ sum: at, count: 1 }));
  const start = (group: { sum: number; count: number }): number => {
    const free = group.sum / group.count - ((group.count - 1) * pitch) / 2;
    return Math.max(bounds.from, Math.min(free, bounds.to - (group.count - 1) * pitch));
  };
  for (let joined = true; joined; ) {
    joined = false;
    const next: typeof groups = [];
    for (const group of groups) {
      const last = next.at(-1);
      if (last !== undefined && start(last) + last.count * pitch > start(group)) {
        last.sum += group.sum;
        last.count += group.count;
        joined = true;
      } else {
        next.push({ ...group });
      }
    }
    groups = next;
  }
  return groups.flatMap((group) =>
    Array.from({ length: group.count }, (_, index) => start(group) + index * pitch),
  );
}

function drawAxis(story: Story, scale: Scale, top: number, bottom: number): string {
  const lines: string[] = [];
  const first = Math.ceil(story.fromMs / 5_000) * 5_000;
  for (let at = first; at <= story.toMs; at += 5_000) {
    const x = fix(scale(at));
    const major = at % 10_000 === 0;
    lines.push(
      `<line x1="${x}" y1="${top}" x2="${x}" y2="${bottom}" stroke="${ink.grid}" stroke-width="${major ? 1.5 : 0.75}"/>`,
      major
        ? label(scale(at), bottom + 20, `${at / 1000} s`, {
            anchor: 'middle',
            fill: ink.muted,
            size: 13,
          })
        : '',
    );
  }
  return lines.join('\n');
}

function drawMark(
  mark: { readonly atMs: number; readonly label: string },
  scale: Scale,
  top: number,
  bottom: number,
): string {
  const x = fix(scale(mark.atMs));
  return [
    `<line x1="${x}" y1="${top - 4}" x2="${x}" y2="${bottom}" stroke="${ink.mark}" stroke-width="1.5" stroke-dasharray="6 4"/>`,
    label(scale(mark.atMs) + 6, top - 2, `${mark.label} (${seconds(mark.atMs, 1)} s)`, {
      fill: ink.mark,
      size: 13,
      weight: 600,
    }),
  ].join('');
}

function drawLegend(machines: readonly string[]): string {
  const pitch = Math.max(...machines.map((name) => name.length), 4) * 8 + 36;
  const left = page.width - page.margin - pitch * machines.length;
  return machines
    .map((name, index) => {
      const x = left + index * pitch;
      return `<rect x="${x}" y="38" width="14" height="14" rx="3" fill="${colourOf(name, machines)}"/>${label(x + 20, 50, name, { fill: ink.muted, size: 13 })}`;
    })
    .join('');
}

/** The numbered steps, a column for each lane. */
function drawSteps(
  story: Story,
  numbers: ReadonlyMap<Step, number>,
  top: number,
): { readonly svg: string; readonly bottom: number } {
  const gutter = 40;
  const width = (page.width - 2 * page.margin - gutter) / Math.max(1, story.lanes.length);
  const parts: string[] = [];
  let bottom = top;
  story.lanes.forEach((lane, column) => {
    const x = page.margin + column * (width + gutter);
    let y = top;
    parts.push(
      label(x, y, lane.title, { weight: 600, size: 15 }),
      `<line x1="${x}" y1="${y + 9}" x2="${fix(x + width)}" y2="${y + 9}" stroke="${ink.axis}"/>`,
    );
    y += 32;
    for (const step of inOrder(lane, numbers)) {
      const detail = wrapTo(step.detail, (width - 118) / 6.6);
      parts.push(
        label(x + 20, y, String(numbers.get(step) ?? '-'), {
          anchor: 'end',
          fill: ink.muted,
          size: 12,
        }),
        label(x + 100, y, step.atMs === undefined ? 'never' : `${seconds(step.atMs)} s`, {
          anchor: 'end',
          fill: step.atMs === undefined ? ink.bad : ink.text,
          size: 13,
        }),
        label(x + 114, y, step.title, { weight: 600, size: 13 }),
        ...detail.map((line, index) =>
          label(x + 114, y + 17 * (index + 1), line, { fill: ink.muted, size: 12.5 }),
        ),
      );
      y += 17 * detail.length + 23;
    }
    bottom = Math.max(bottom, y);
  });
  return { svg: parts.join('\n'), bottom: bottom - 12 };
}

function inOrder(lane: Lane, numbers: ReadonlyMap<Step, number>): readonly Step[] {
  const place = (step: Step): number => numbers.get(step) ?? Number.MAX_SAFE_INTEGER;
  return lane.steps.toSorted((a, b) => place(a) - place(b));
}

function wrapTo(text: string, characters: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(' ').filter((part) => part !== '')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= characters) {
      lines[lines.length - 1] = `${last} ${word}`;
    } else {
      lines.push(word);
    }
  }
  return lines;
}

interface LabelStyle {
  readonly size?: number;
  readonly weight?: number;
  readonly fill?: string;
  readonly anchor?: 'start' | 'middle' | 'end';
  /** White around the letters, where lines run behind them. */
  readonly halo?: boolean;
}

function label(x: number, y: number, text: string, style: LabelStyle = {}): string {
  const attributes = [
    style.size === undefined ? '' : ` font-size="${style.size}"`,
    style.weight === undefined ? '' : ` font-weight="${style.weight}"`,
    style.fill === undefined ? '' : ` fill="${style.fill}"`,
    style.anchor === undefined ? '' : ` text-anchor="${style.anchor}"`,
    style.halo === true ? ' stroke="#ffffff" stroke-width="6" paint-order="stroke"' : '',
  ].join('');
  return `<text x="${fix(x)}" y="${fix(y)}"${attributes}>${escape(text)}</text>`;
}

function fix(value: number): string {
  return String(Math.round(value * 10) / 10);
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
