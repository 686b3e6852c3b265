/** The README is read by people who are paged at night; so what it says must be so. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { loadYaml } from '@kubernetes/client-node';
import { fenceOf } from '../../../src/controller-mode/driver-table.ts';
import type { Episode } from '../../../src/controller-mode/episode.ts';
import { guards, type Situation } from '../../../src/controller-mode/guards.ts';
import { hold } from '../../../src/controller-mode/hold.ts';
import * as nodeNotices from '../../../src/controller-mode/node-notices.ts';
import * as notices from '../../../src/controller-mode/notices.ts';
import type { Verdict } from '../../../src/controller-mode/verdict.ts';
import { fences } from '../../../src/shared/config.ts';
import type { Notice } from '../../../src/shared/mode.ts';
import * as names from '../../../src/shared/names.ts';
import type { Option } from '../../../src/shared/option.ts';
import { optionGroups } from '../../../src/shared/options.ts';
import { readConfig } from '../../../src/shared/read-config.ts';
import { grants } from './grants.ts';
import type { Container } from './manifest.ts';
import { driverNamespace } from './actions.ts';

const readme = readFileSync('README.md', 'utf8');

function section(title: string): string {
  const parts = readme.split(/^## /m);
  return parts.find((part) => part.startsWith(`${title}\n`)) ?? '';
}

/** The cells of all table rows in a text, without heads and rulers. */
function rows(text: string): readonly (readonly string[])[] {
  const lines = text.split('\n');
  return lines
    .filter((line, index) => line.startsWith('|') && !lines[index + 1]?.startsWith('|---'))
    .filter((line) => !line.startsWith('|---'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );
}

function quoted(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(([, word]) => word ?? '');
}

function blocks(language: string): readonly string[] {
  const found = readme.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...found].filter((block) => block[1] === language).map((block) => block[2] ?? '');
}

describe('flags', () => {
  it('are those of --help, with their defaults', () => {
    const wanted = Object.values(optionGroups).flatMap((group) =>
      Object.entries<Option>(group).map(([flag, option]) => {
        const value = option.byDefault === undefined ? undefined : `\`${option.byDefault}\``;
        const byDefault = option.ignored === true ? 'ignored' : (option.otherwise ?? value ?? '');
        return `| \`--${flag}\` | ${byDefault} | ${option.help} |`;
      }),
    );
    const found = section('Flags')
      .split('\n')
      .filter((line) => line.startsWith('| `--'));
    expect(found).toEqual(wanted);
  });

  it('named anywhere else exist, too', () => {
    const known = Object.values(optionGroups).flatMap((group) => Object.keys(group));
    const others = ['type', 'from-literal', 'build-arg', 'version', 'help', 'flag'];
    const named = [...readme.matchAll(/(?<![\w-])--([a-z][a-z-]+)/g)].map(([, flag]) => flag);
    expect(named.filter((flag) => ![...known, ...others].includes(flag ?? ''))).toEqual([]);
  });

  it('for people who come from podmon and HPE are accepted', () => {
    const argv = [...readme.matchAll(/--pod-selector=[^`\s]+/g)].map(([argument]) => argument);
    const result = readConfig({
      argv: ['--mode=controller', ...argv],
      environment: {},
      readFile: () => undefined,
    });
    expect(result).toMatchObject({
      config: { podSelectors: ['podmon.dellemc.com/driver=csi-vxflexos', 'monitored-by=hpe-csi'] },
    });
  });
});

describe('names in the cluster', () => {
  it.each(Object.entries(names))('%s is told', (_name, value) => {
    if (typeof value === 'string') {
      expect(readme).toContain(value);
      return;
    }
    const patterns: Readonly<Record<string, string>> = {
      heartbeatLease: '<driver>.<node>',
      outOfServiceValue: 'csi-failover.<hash>',
      // The attacher's own, and no name at all.
      attacherFinalizer: '',
      fnv1a: '',
    };
    const call = value as (driver: string) => string;
    expect(readme).toContain(patterns[value.name] ?? call('<driver>'));
  });
});

describe('guards', () => {
  const [first = [], second = []] = section('Why nothing happens')
    .split('An episode that has begun')
    .map((text) => rows(text).flatMap(([cell]) => quoted(cell)));

  it('stand in the order in which they are asked', () => {
    const before = ['not-leader', 'own-view-stale'];
    expect(first).toEqual([...before, ...Object.keys(guards), 'shared-volume', 'record-refused']);
  });

  it('and what an episode waits for are all told', () => {
    const sources = globSync('src/controller-mode/*.ts').map((file) => readFileSync(file, 'utf8'));
    const words = sources.flatMap((text) =>
      [...text.matchAll(/\bhold\(\s*'([a-z-]+)'/g)].map(([, word]) => word ?? ''),
    );
    expect(words.length).toBeGreaterThan(20);
    expect(words.filter((word) => ![...first, ...second].includes(word))).toEqual([]);
  });
});

describe('fences', () => {
  const [table = '', drivers = ''] = section('Fences').split('Known drivers');

  it('are those that can be declared', () => {
    const told = rows(table).flatMap(([cell]) => quoted(cell));
    expect(told.sort()).toEqual(fences.filter((fence) => fence !== 'auto').sort());
  });

  it('of known drivers are those of the built-in table', () => {
    const told = rows(drivers).flatMap(([cell, fence]) =>
      quoted(cell).map((driver) => [driver, quoted(fence)[0]]),
    );
    for (const [driver = '', fence] of told) {
      expect([driver, fenceOf(driver.replace('*', 'x'))?.fence]).toEqual([driver, fence]);
    }
    const source = readFileSync('src/controller-mode/driver-table.ts', 'utf8');
    const known = [...source.matchAll(/^ {2,4}\[?'([a-z0-9.-]+\.[a-z0-9.-]+)',/gm)];
    expect(known.length).toBeGreaterThan(20);
    for (const [, driver] of known) expect(told.map(([name]) => name)).toContain(driver);
  });
});

describe('what you see', () => {
  const pod = {
    namespace: 'shop',
    name: 'mysql-0',
    uid: 'u',
    nodeName: 'worker-3',
    volumes: [],
  } as never;
  const situation = {
    nodeName: 'worker-2',
    state: {
      policy: { driver: 'block.example.com', fence: { kind: 'unpublish', claim: '' } },
      nodes: new Map([['worker-2', { name: 'worker-2', uid: 'n' }]]),
      podVolumes: new Map(),
      claims: new Map(),
      pvs: new Map(),
    },
  } as unknown as Situation;
  const record = { epoch: '48213', reason: 'Lost: node-silent' };
  const episode = { situation, record } as unknown as Episode;
  const verdict: Verdict = {
    kind: 'Lost',
    reason: 'node-silent',
    since: 0,
    changesAt: undefined,
  };
  const claim = {
    kind: 'PersistentVolumeClaim',
    namespace: 'shop',
    name: 'data-mysql-0',
    uid: 'c',
  } as const;
  const retained = hold('retain', `annotation ${names.policyAnnotation}=retain`);
  const shown: readonly Notice[] = [
    ...notices.podStarted(episode, pod),
    ...notices.podCompleted(episode, pod),
    notices.volumeFenced(episode, claim, 'vol-7'),
    ...nodeNotices.nodeVerdict(situation, verdict, 'i'),
    ...nodeNotices.nodeFenced(episode),
    ...nodeNotices.nodeReleased(episode),
    notices.podNotMoved({ situation, verdict, incident: 'i' }, pod, retained),
  ];

  it.each(shown.map((notice) => [notice.reason, notice] as const))(
    '%s reads as it is written',
    (reason, { type, note }) => {
      const line = `  ${type.padEnd(9)}${reason.padEnd(19)}csi-failover  ${note}\n`;
      expect(section('What you see')).toContain(line);
    },
  );

  it('lists every Event reason', () => {
    const files = ['notices', 'node-notices', 'tell-health', 'protection', 'recovery'];
    const sources = files.map((file) => readFileSync(`src/controller-mode/${file}.ts`, 'utf8'));
    const named = /'((?:Failover|MostVolumes|Node|Volume|NotP|P)(?:[A-Z]|rotected)\w*)'/g;
    const literal = [...sources.join('').matchAll(named)];
    const verdicts = ['Lost', 'KubeletDead', 'StorageLost', 'AgentDown', 'DriverDown'].map(
      (kind) => `Node${kind}`,
    );
    const reasons = new Set([...literal.map(([, reason]) => reason), ...verdicts]);
    const told = rows(section('What you see')).flatMap(([cell]) => quoted(cell));
    expect(new Set(told)).toEqual(reasons);
  });
});

describe('rights', () => {
  it('are those of the manifests', () => {
    const told = rows(section('Add it to your driver'))
      .filter(([role]) => /^(?:observer|actuator|node-agent)$/.test(role ?? ''))
      .flatMap(([role, where, verbs = '', on = '']) =>
        verbs
          .split(', ')
          .flatMap((verb) => on.split(', ').map((resource) => [role, where, verb, resource])),
      )
      .map((words) => words.join(' '));
    const places: Readonly<Record<string, string>> = {
      '*': 'cluster',
      [driverNamespace]: 'driver',
    };
    const granted = grants().map(({ role, namespace, verb, resource }) =>
      [role.replace('csi-failover-', ''), places[namespace] ?? namespace, verb, resource].join(' '),
    );
    expect(told.sort()).toEqual(granted.sort());
  });
});

describe('snippets to copy', () => {
  const containers = blocks('yaml')
    .map((text) => loadYaml<unknown>(text))
    .filter(Array.isArray)
    .flat() as readonly Container[];

  it.each(['controller', 'node'])('start %s mode', (mode) => {
    const found = containers.find(({ args }) => args.includes(`--mode=${mode}`));
    const environment = Object.fromEntries((found?.env ?? []).map(({ name }) => [name, 'some']));
    const argv = found?.args ?? [];
    const result = readConfig({ argv, environment, readFile: () => undefined });
    expect(result).toMatchObject({ kind: 'Config', config: { mode, namespace: 'some' } });
  });

  it('name files that are there', () => {
    const links = [...readme.matchAll(/\]\(([^)#]+)\)/g)].map(([, path]) => path ?? '');
    expect(links.length).toBeGreaterThan(3);
    expect(links.filter((path) => !existsSync(path))).toEqual([]);
  });

  it('link to headings that are there', () => {
    const anchors = [...readme.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor ?? '');
    const headings = [...readme.matchAll(/^## (.+)$/gm)].map(([, title]) =>
      (title ?? '').toLowerCase().replaceAll(' ', '-'),
    );
    expect(anchors.filter((anchor) => !headings.includes(anchor))).toEqual([]);
  });
});

it('the layout names places that are there', () => {
  const [block = ''] = section('Layout').split('```').slice(1);
  const places = [...block.matchAll(/^(\S+\/?\S*) {2,}/gm)].map(([, path]) => path ?? '');
  expect(places.length).toBeGreaterThan(8);
  expect(places.filter((path) => !existsSync(path))).toEqual([]);
});

it('every decision says why, what and with which consequence, in under a page', () => {
  const files = globSync('docs/decisions/*.md').sort();
  expect(files.length).toBeGreaterThan(8);
  for (const [index, file] of files.entries()) {
    const text = readFileSync(file, 'utf8');
    expect([file, text]).toEqual([
      expect.stringMatching(new RegExp(`/${String(index + 1).padStart(4, '0')}-[a-z-]+\\.md$`)),
      expect.stringMatching(
        new RegExp(`^# ${index + 1}\\. .*\n## Context\n.*\n## Decision\n.*\n## Consequence\n`, 's'),
      ),
    ]);
    expect([file, text.split(/\s+/).length > 450]).toEqual([file, false]);
  }
});
