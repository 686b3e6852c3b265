import type { Option } from './option.ts';
import { environmentName, optionGroups } from './options.ts';

/** What `--help` prints: for a person at a terminal of 100 columns. */
export function helpText(): string {
  const groups = Object.entries<Readonly<Record<string, Option>>>(optionGroups);
  return [
    'csi-failover --mode=controller|node [flags]',
    '',
    'Brings labelled pods back elsewhere when their node, its kubelet, its network, its path to',
    'storage or its CSI driver fails, and never lets a replacement write to a volume while the',
    'pod it replaces still can.',
    ...groups.flatMap(([title, group]) => ['', `${title}:`, ...lines(group)]),
    '',
    'General:',
    '  --help                Show this, and end.',
    '  --version             Show the version, and end.',
    '',
    'One or two dashes; --flag=value or --flag value; a switch alone or =true|false. Durations as',
    '500ms, 2s, 1m30s. Each flag is also read from the environment as CSI_FAILOVER_<FLAG>, upper',
    `case and with underscores (${environmentName('lost-after')}=10s); the flag wins.`,
    '',
    'Exit codes: 0 after SIGTERM or SIGINT, 1 after a crash, 2 for a wrong configuration.',
    '',
  ].join('\n');
}

function lines(group: Readonly<Record<string, Option>>): string[] {
  return Object.entries(group).flatMap(([flag, option]) => [
    `  --${flag}${placeholder(option)}  (${theDefault(option)})`,
    `        ${option.help}`,
  ]);
}

function placeholder(option: Option): string {
  if (option.kind === 'boolean') return '';
  return ` ${option.choices?.join('|') ?? option.kind}`;
}

function theDefault(option: Option): string {
  if (option.ignored === true) return 'accepted and ignored';
  return option.otherwise ?? option.byDefault ?? 'none';
}
