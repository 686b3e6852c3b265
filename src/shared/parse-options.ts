import type { Option } from './option.ts';
import { environmentName, options } from './options.ts';

/** One mistake, in the words that a person needs to mend it. */
export interface Problem {
  /** As it would be typed: `--lost-after`, or the argument itself if it is none of ours. */
  readonly subject: string;
  readonly expected: string;
  readonly given: string;
}

/** The text that an option was given, and from where. */
export interface Given {
  readonly text: string;
  /** `--lost-after`, `CSI_FAILOVER_LOST_AFTER`, or `the default`. */
  readonly origin: string;
}

export interface ParsedOptions {
  /** By flag; absent when it was not given and has no default. More than one if repeated. */
  readonly values: ReadonlyMap<string, readonly Given[]>;
  readonly help: boolean;
  readonly version: boolean;
  readonly problems: readonly Problem[];
}

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The dialect of the CSI sidecars (Go's flag package): one or two dashes, `--f=x` or `--f x`, a
 * boolean bare or `--f=true`; the last of several counts. Goes on after a mistake, so that all are
 * told together. What the texts mean is not looked at here.
 *
 * In the environment, unknown names are no mistake (a Service called csi-failover puts
 * CSI_FAILOVER_PORT there), and an empty text means "not given".
 */
export function parseOptions(argv: readonly string[], environment: Environment): ParsedOptions {
  const values = new Map<string, Given[]>();
  for (const [flag, option] of options) {
    const name = environmentName(flag);
    const text = environment[name] ?? '';
    if (text !== '') values.set(flag, [{ text, origin: name }]);
    else if (option.byDefault !== undefined) {
      values.set(flag, [{ text: option.byDefault, origin: 'the default' }]);
    }
  }
  const found = parseArguments(argv);
  for (const [flag, given] of found.values) values.set(flag, given);
  return { ...found, values };
}

interface Found {
  readonly values: Map<string, Given[]>;
  readonly problems: Problem[];
  help: boolean;
  version: boolean;
}

function parseArguments(argv: readonly string[]): Found {
  const found: Found = { values: new Map(), problems: [], help: false, version: false };
  for (let index = 0; index < argv.length; index += 1) {
    const { flag, text } = split(argv[index] as string);
    const option = options.get(flag ?? '');
    if (flag === 'help' || flag === 'h') found.help = true;
    else if (flag === 'version') found.version = true;
    else if (flag === undefined || option === undefined) {
      found.problems.push(strange(argv, index, flag));
    } else if (text !== undefined) add(found, flag, text);
    else if (option.kind === 'boolean') add(found, flag, 'true');
    else if (addNext(found, flag, argv[index + 1])) index += 1;
  }
  return found;
}

/** The next argument is the value, unless it is missing or a flag itself. */
function addNext(found: Found, flag: string, next: string | undefined): boolean {
  if (next === undefined || looksLikeFlag(next)) {
    found.problems.push({ subject: `--${flag}`, expected: 'a value', given: 'none' });
    return false;
  }
  add(found, flag, next);
  return true;
}

/** `--flag=text`, `-flag=text`, `--flag`; anything else is no flag. */
function split(argument: string): { flag: string | undefined; text: string | undefined } {
  const match = /^--?([A-Za-z][^=]*)(?:=([\s\S]*))?$/.exec(argument);
  return { flag: match?.[1], text: match?.[2] };
}

function looksLikeFlag(argument: string): boolean {
  const { flag } = split(argument);
  return flag !== undefined && (options.has(flag) || argument.startsWith('--'));
}

function add(found: Found, flag: string, text: string): void {
  const given = { text, origin: `--${flag}` };
  const before = found.values.get(flag);
  if (before === undefined || options.get(flag)?.kind !== 'list') {
    found.values.set(flag, [given]);
  } else {
    before.push(given);
  }
}

function strange(argv: readonly string[], index: number, flag: string | undefined): Problem {
  const argument = argv[index] as string;
  if (flag === undefined) {
    const before = split(argv[index - 1] ?? '').flag;
    const boolean = before !== undefined && options.get(before)?.kind === 'boolean';
    return {
      subject: argument === '' ? '(an empty argument)' : argument,
      expected: boolean ? `--${before}=${argument}, in one word` : 'flags only',
      given: 'an argument without a flag',
    };
  }
  const near = nearest(flag);
  return {
    subject: `--${flag}`,
    expected: near === undefined ? 'a flag listed by --help' : `--${near}, perhaps`,
    given: 'an unknown flag',
  };
}

function nearest(flag: string): string | undefined {
  const allowed = Math.max(1, Math.floor(flag.length / 3));
  const candidates = [...options]
    .filter(([, option]: readonly [string, Option]) => option.ignored !== true)
    .map(([name]) => ({ name, distance: editDistance(flag, name) }))
    .filter(({ distance }) => distance <= allowed);
  return candidates.sort((a, b) => a.distance - b.distance)[0]?.name;
}

/** Levenshtein: how many letters must be put in, left out or changed. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let line = 0; line < from.length; line += 1) {
    const next = [line + 1];
    for (let column = 0; column < to.length; column += 1) {
      const changed = (row[column] as number) + (from[line] === to[column] ? 0 : 1);
      next.push(Math.min(changed, (row[column + 1] as number) + 1, (next[column] as number) + 1));
    }
    row = next;
  }
  return row[to.length] as number;
}
