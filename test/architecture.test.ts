import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { layerOf, type Sources, violations } from './architecture.ts';

function readSources(): Sources {
  const files = globSync('{src,test}/**/*.ts', { cwd: process.cwd() });
  return new Map(files.sort().map((file) => [file, readFileSync(file, 'utf8')]));
}

function describeAll(sources: Sources): string[] {
  return violations(sources).map(
    ({ file, line, rule, message }) => `${file}:${line} [${rule}] ${message}`,
  );
}

describe('the sources', () => {
  const sources = readSources();

  it('keep the house rules', () => {
    expect(sources.size).toBeGreaterThan(20);
    expect(describeAll(sources)).toEqual([]);
  });

  it('have at least one file in every layer', () => {
    const layers = new Set([...sources.keys()].map(layerOf));
    expect([0, 1, 2, 3, 4, 5, 6].filter((layer) => !layers.has(layer))).toEqual([]);
  });
});

describe('each rule fires on a bad sample and is silent on a good one', () => {
  const pure = 'src/controller-mode/verdict.ts';
  const samples: readonly (readonly [what: string, file: string, bad: string, rule: string])[] = [
    ['npm in a pure mode', pure, "import pino from 'pino';", 'layers'],
    ['node: in the kernel', 'src/shared/workqueue.ts', "import 'node:fs';", 'layers'],
    ['words that import the shell', 'src/shared/clock.ts', "import './log.ts';", 'layers'],
    ['a type from above', pure, "import type { Logger } from '../shared/log.ts';", 'layers'],
    ['a mode that imports the other', pure, "import '../node-mode/state.ts';", 'layers'],
    ['even at its edge', 'src/node-mode/act.ts', "import '../controller-mode/act.ts';", 'layers'],
    [
      'shared that imports a mode',
      'src/shared/http.ts',
      "import '../node-mode/node.ts';",
      'layers',
    ],
    ['npm in the shell', 'src/shared/http.ts', "import express from 'express';", 'layers'],
    ['adapters joined', 'src/shared/csi/node.ts', "import '../kubernetes/client.ts';", 'layers'],
    ['a product that imports a test', 'src/main.ts', "import '../test/fake-clock.ts';", 'layers'],
    ['a dynamic import', pure, "const x = import('../node-mode/state.ts');", 'layers'],
    ['a file in no room', 'src/elsewhere/thing.ts', '', 'layers'],
    ['async in pure code', pure, 'export async function f() {}', 'purity'],
    ['a promise in pure code', pure, 'let p: Promise<void>;', 'purity'],
    ['a Date in pure code', pure, 'const d: Date = x;', 'purity'],
    ['a timer in pure code', pure, 'setImmediate(f);', 'purity'],
    ['Buffer in pure code', pure, 'Buffer.byteLength(x);', 'purity'],
    ['the time of day', 'src/shared/http.ts', 'const t = Date.now();', 'bans'],
    ['new Date', 'src/shared/http.ts', 'const t = new Date();', 'bans'],
    ['performance', 'src/shared/http.ts', 'const t = performance.now();', 'bans'],
    ['timers', 'src/node-mode/act.ts', 'setTimeout(f, 5);', 'bans'],
    ['chance', 'src/node-mode/act.ts', 'const x = Math.random();', 'bans'],
    ['the environment', 'src/node-mode/node.ts', 'const x = process.env.HOME;', 'bans'],
    ['the console', 'src/node-mode/node.ts', "console.log('x');", 'bans'],
    ['import.meta', 'src/node-mode/node.ts', 'const x = import.meta.url;', 'bans'],
    ['top-level await', 'src/node-mode/node.ts', 'await f();', 'bans'],
    ['any', 'src/main.ts', 'const x = y as any;', 'bans'],
    ['a silenced type error', 'src/main.ts', '// @ts-ignore', 'bans'],
    ['a default export', 'src/main.ts', 'export default 1;', 'shape'],
    ['a barrel', 'src/main.ts', "export * from './shared/log.ts';", 'shape'],
    ['a missing extension', 'src/main.ts', "import { x } from './shared/log';", 'shape'],
    ['a vague name', 'src/shared/utils.ts', '', 'shape'],
    ['a name not in kebab-case', 'src/shared/systemClock.ts', '', 'shape'],
    ['a long file', 'src/shared/http.ts', 'x;\n'.repeat(251), 'size'],
    ['a long test', 'test/unit/x.test.ts', 'x;\n'.repeat(401), 'size'],
    ['a wide line', 'src/shared/http.ts', `const x = ${'1'.repeat(100)};`, 'size'],
    ['work left over', 'test/unit/x.test.ts', `// ${['TO', 'DO'].join('')} later`, 'words'],
    [
      'a test that is not run',
      'test/unit/x.test.ts',
      `it.${['sk', 'ip'].join('')}('x', f);`,
      'words',
    ],
  ];

  it.each(samples)('%s', (_what, file, bad, rule) => {
    const fired = violations(new Map([[file, `${bad}\n`]]));
    expect(fired.map((violation) => violation.rule)).toContain(rule);
    for (const { message } of fired) expect(message.length).toBeGreaterThan(15);
  });

  it('an import cycle', () => {
    const sources = new Map([
      ['src/shared/log.ts', "import './http.ts';\n"],
      ['src/shared/http.ts', "import './metrics.ts';\n"],
      ['src/shared/metrics.ts', "import './log.ts';\n"],
    ]);
    const cycle = violations(sources).find(({ rule }) => rule === 'cycles');
    expect(cycle?.message).toContain('http.ts -> src/shared/metrics.ts');
  });

  it.each([
    [pure, "import { x } from '../shared/model.ts';"],
    [pure, '// Date.now and async stand in a comment only\n/* setTimeout */ export const x = 1;'],
    ['src/shared/csi/definition.ts', "import json from '../../../proto/csi.json';"],
    ['src/shared/csi/node.ts', "import { Client } from '@grpc/grpc-js';"],
    ['src/shared/system-clock.ts', 'const t = Date.now();'],
    ['src/main.ts', "import { runNode } from './node-mode/node.ts';"],
    ['test/fake-clock.ts', 'setTimeout(f, 1); console.log(Date.now());'],
  ])('is silent on %s', (file, good) => {
    expect(describeAll(new Map([[file, `${good}\n`]]))).toEqual([]);
  });
});
