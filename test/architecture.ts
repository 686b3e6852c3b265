/**
 * The house rules that a machine can check, over the texts of the sources. Every message says what
 * to do instead. Lengths of functions, complexity and parameters are oxlint's business.
 */

export interface Violation {
  readonly file: string;
  /** 1-based; 0 when the whole file is meant. */
  readonly line: number;
  readonly rule: string;
  readonly message: string;
}

/** Repository paths such as `src/shared/clock.ts`, with what they hold. */
export type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly line: number;
  /** As written. */
  readonly specifier: string;
  /** The repository path of a relative import; undefined for npm and node: ones. */
  readonly target: string | undefined;
}

const layerNames = ['words', 'kernel', 'mode', 'shell', 'adapter', 'edge', 'wiring'];

const words = [
  'adopted',
  'clock',
  'outcome',
  'mode',
  'effect',
  'health',
  'model',
  'names',
  'record',
  'untrusted-json',
  'utf8',
  'watch-fact',
];
const kernel = ['workqueue', 'label-selector'];
const adapters = [
  'mounts',
  'boot-id',
  'kubelet-health',
  'containers',
  'kubelet-volumes',
  'machine',
  'look',
  'look-helper',
  'look-pool',
  'look-process',
  'rounds',
];
const edges = [
  'act',
  'perform',
  'measure',
  'sources',
  'driver-source',
  'health-source',
  'protection-source',
  'own-look-source',
  'events',
  'poller',
];
const topFiles = ['src/main.ts', 'src/program.ts'];
const wiring = ['controller', 'node'];

/**
 * 0 words, 1 pure kernel, 2 pure modes, 3 shell, 4 adapters, 5 edges of a mode, 6 wiring. A file
 * of a mode that is not listed here is pure: impurity is the exception and has to be declared.
 */
export function layerOf(file: string): number | undefined {
  const [, room, name, deeper] = /^src\/([^/]+)(?:\/([^/]+?))?(?:\/(.+))?\.ts$/.exec(file) ?? [];
  if (topFiles.includes(file)) return 6;
  if (room === 'shared') {
    if (deeper !== undefined) return 4;
    if (words.includes(name ?? '')) return 0;
    return kernel.includes(name ?? '') ? 1 : 3;
  }
  if ((room !== 'controller-mode' && room !== 'node-mode') || deeper !== undefined)
    return undefined;
  if (wiring.includes(name ?? '')) return 6;
  if (edges.includes(name ?? '')) return 5;
  return adapters.includes(name ?? '') && room === 'node-mode' ? 4 : 2;
}

/** All violations in all files; `.ts` files below src/ and test/ are looked at. */
export function violations(sources: Sources): readonly Violation[] {
  const found: Violation[] = [];
  const graph = new Map<string, readonly Import[]>();
  for (const [file, text] of sources) {
    const code = withoutComments(text);
    const imports = importsOf(file, code);
    if (file.startsWith('src/')) {
      graph.set(file, imports);
      found.push(...layerViolations(file, imports), ...purityViolations(file, code));
      found.push(...banViolations(file, code), ...shapeViolations(file, code));
    }
    found.push(...sizeViolations(file, text), ...wordViolations(file, text));
  }
  found.push(...cycleViolations(graph));
  return found;
}

function layerViolations(file: string, imports: readonly Import[]): Violation[] {
  const layer = layerOf(file);
  if (layer === undefined) {
    const message = 'this place has no layer; put it into a room of the tree (CONTRIBUTING)';
    return [{ file, line: 0, rule: 'layers', message }];
  }
  return imports.flatMap(({ line, specifier, target }) => {
    const message =
      target === undefined
        ? packageComplaint(file, layer, specifier)
        : importComplaint(file, layer, target);
    return message === undefined ? [] : [{ file, line, rule: 'layers', message }];
  });
}

/** The files of the shell that wrap a package. */
const wrappers = ['src/shared/log.ts', 'src/shared/metrics.ts', 'src/shared/health-metrics.ts'];

function packageComplaint(file: string, layer: number, specifier: string): string | undefined {
  if (layer <= 2) {
    return `pure code imports no ${specifier}; take what it yields as a fact or a parameter`;
  }
  const isPackage = !specifier.startsWith('node:');
  if (isPackage && layer === 3 && !wrappers.includes(file)) {
    return `the shell imports no npm package (${specifier}); write an adapter for it`;
  }
  return undefined;
}

function importComplaint(file: string, layer: number, target: string): string | undefined {
  if (!target.startsWith('src/')) {
    return target.startsWith('proto/') && layer === 4
      ? undefined
      : `src/ does not import ${target}; only adapters import proto/, and nothing imports tests`;
  }
  const from = roomOf(file);
  const to = roomOf(target);
  if (from === 'shared' && to !== 'shared') {
    return `shared/ imports no mode; move what both need from ${target} into shared/`;
  }
  if (to !== 'shared' && from !== to && !topFiles.includes(file)) {
    return `the modes meet in cluster objects only; move what both need from ${target} to shared/`;
  }
  const isFamilyMix = layer === 4 && layerOf(target) === 4 && familyOf(file) !== familyOf(target);
  if (isFamilyMix) return `adapters do not import each other (${target}); join them in an edge`;
  const targetLayer = layerOf(target);
  if (targetLayer === undefined || targetLayer <= layer) return undefined;
  return (
    `layer ${layer} (${layerNames[layer]}) imports nothing of layer ${targetLayer} ` +
    `(${layerNames[targetLayer]}: ${target}); take it as a parameter, or move the shared part down`
  );
}

function roomOf(file: string): string {
  return file.split('/')[1] ?? '';
}

/** shared/csi, shared/kubernetes, or a mode. */
function familyOf(file: string): string {
  return file.split('/').slice(1, -1).join('/');
}

const impure: readonly (readonly [RegExp, string])[] = [
  [/\basync\b|\bawait\b|\bPromise\b/, 'is not asynchronous; let an edge wait and post a fact'],
  [/\bDate\b/, 'knows no Date; take an Instant, or a wall time as a parameter'],
  [/\bprocess\.|\bBuffer\b|\bglobalThis\b/, 'uses no global of Node; take a value as a parameter'],
  [/\bset(?:Immediate|Timeout|Interval)\b|\bqueueMicrotask\b/, 'has no timers; return wakeAt'],
];

function purityViolations(file: string, code: string): Violation[] {
  // The clock's port speaks of waiting because those above it wait; it holds types only.
  if ((layerOf(file) ?? 0) > 2 || file === 'src/shared/clock.ts') return [];
  return matches(file, code, 'purity', impure).map((violation) => ({
    ...violation,
    message: `pure code ${violation.message}`,
  }));
}

const mayTouchTheProcess = ['src/shared/system-clock.ts', 'src/shared/log.ts', ...topFiles];

const banned: readonly (readonly [RegExp, string])[] = [
  [/\bDate\.now\b|\bnew Date\(|\bperformance\.now\b/, 'take a Clock and ask it'],
  [/\bsetTimeout\b|\bsetInterval\b/, 'take a Clock: after() or sleep()'],
  [/\bMath\.random\b/, 'take a random function as a parameter'],
  [/\bprocess\.env\b/, 'read it in main.ts and pass it as part of the Config'],
  [/\bconsole\./, 'take a Logger'],
  [/\bimport\.meta\b/, 'it is undefined in the bundle; import the file, or take a path'],
  [/^await\b/m, 'the bundle knows no top-level await; put it into a function'],
];

const bannedEverywhere: readonly (readonly [RegExp, string])[] = [
  [/\bas any\b|:\s*any\b/, 'say unknown and narrow it'],
  [/@ts-(?:ignore|nocheck)/, 'mend the type, or say @ts-expect-error with the reason'],
];

function banViolations(file: string, code: string): Violation[] {
  const found = matches(file, code, 'bans', bannedEverywhere);
  if (!mayTouchTheProcess.includes(file)) found.push(...matches(file, code, 'bans', banned));
  return found;
}

const vague = /(?:^|\/)(?:utils?|helpers?|common|misc|types|index)\.ts$/;

function shapeViolations(file: string, code: string): Violation[] {
  const found = matches(file, code, 'shape', [
    [/^export default\b/m, 'export it by its name'],
    [/^export \*/m, 'no barrels: import from the file that has it'],
    [/from '\.[^']*(?<!\.ts|\.json)'/, 'write the extension of a relative import: .ts'],
  ]);
  const name = file.split('/').at(-1) ?? '';
  if (vague.test(file)) {
    const message = `${name} says nothing; name the file after the one noun it holds`;
    found.push({ file, line: 0, rule: 'shape', message });
  }
  if (!/^[a-z\d]+(?:-[a-z\d]+)*\.ts$/.test(name)) {
    found.push({ file, line: 0, rule: 'shape', message: `write ${name} in kebab-case` });
  }
  return found;
}

function sizeViolations(file: string, text: string): Violation[] {
  const most = file.startsWith('src/') ? 250 : 400;
  const lines = text.split('\n');
  const found: Violation[] = [];
  const count = lines.length - 1;
  if (count > most) {
    const message = `${count} lines, at most ${most}: find the second noun in it and move it out`;
    found.push({ file, line: 0, rule: 'size', message });
  }
  if (!file.startsWith('src/')) return found;
  for (const [index, line] of lines.entries()) {
    if (line.length <= 100) continue;
    const message = `${line.length} columns, at most 100: break the line`;
    found.push({ file, line: index + 1, rule: 'size', message });
  }
  return found;
}

// Put together, so that this file does not find itself.
const leftOver = new RegExp(`\\b(?:${['TO', 'FIX'].join('DO|')}ME)\\b`);
const notRun = new RegExp(`\\b(?:it|test|describe)\\.(?:${['sk', 'on'].join('ip|')}ly)\\b`);

function wordViolations(file: string, text: string): Violation[] {
  return matches(file, text, 'words', [
    [leftOver, 'do it, or open an issue'],
    [notRun, 'a test that does not run proves nothing: mend it or delete it'],
  ]);
}

function cycleViolations(graph: ReadonlyMap<string, readonly Import[]>): Violation[] {
  const found: Violation[] = [];
  const finished = new Set<string>();
  const visit = (file: string, trail: readonly string[]): void => {
    if (trail.includes(file)) {
      const cycle = [...trail.slice(trail.indexOf(file)), file].join(' -> ');
      const message = `${cycle}: move what they share into a file that both import`;
      found.push({ file, line: 0, rule: 'cycles', message });
      return;
    }
    if (finished.has(file)) return;
    for (const { target } of graph.get(file) ?? []) {
      if (target !== undefined) visit(target, [...trail, file]);
    }
    finished.add(file);
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}

function matches(
  file: string,
  code: string,
  rule: string,
  patterns: readonly (readonly [RegExp, string])[],
): Violation[] {
  return patterns.flatMap(([pattern, advice]) => {
    const global = new RegExp(pattern.source, `g${pattern.flags}`);
    return [...code.matchAll(global)].map((match) => ({
      file,
      line: lineAt(code, match.index),
      rule,
      message: `${match[0].trim()}: ${advice}`,
    }));
  });
}

function importsOf(file: string, code: string): readonly Import[] {
  const statements = code.matchAll(/(?:\bfrom|\bimport|\bimport\s*\()\s*'([^']+)'/g);
  return [...statements].map((match) => {
    const specifier = match[1] as string;
    const target = specifier.startsWith('.') ? resolvePath(file, specifier) : undefined;
    return { line: lineAt(code, match.index), specifier, target };
  });
}

function resolvePath(file: string, specifier: string): string {
  const parts = file.split('/').slice(0, -1);
  for (const part of specifier.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '.') parts.push(part);
  }
  return parts.join('/');
}

function lineAt(code: string, index: number): number {
  return code.slice(0, index).split('\n').length;
}

/** Blanks comments, keeps line numbers; strings are passed over, so that `'//'` is none. */
function withoutComments(text: string): string {
  const token =
    /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`|\/\*[\s\S]*?\*\/|\/\/.*/g;
  return text.replace(token, (found) =>
    found.startsWith('/') && !found.includes('@ts-') ? found.replace(/[^\n]/g, ' ') : found,
  );
}
