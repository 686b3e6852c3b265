import { execFileSync, spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { image } from '../../../build/stage-image.ts';

interface Instruction {
  readonly word: string;
  readonly rest: string;
}

const dockerfile = instructionsOf(readFileSync('Dockerfile', 'utf8'));

function instructionsOf(text: string): readonly Instruction[] {
  const lines = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, '');
  return lines.split('\n').flatMap((line) => {
    const [, word, rest] = /^([A-Z]+) (.*)$/.exec(line.trim()) ?? [];
    return word === undefined || rest === undefined ? [] : [{ word, rest }];
  });
}

function all(word: string): readonly string[] {
  return dockerfile.filter((one) => one.word === word).map(({ rest }) => rest);
}

/** What the build stage copies from the folder of the repository. */
const copied = all('COPY')
  .filter((rest) => !rest.startsWith('--from'))
  .flatMap((rest) => rest.split(' ').slice(0, -1))
  .map((path) => path.replace(/\/$/, ''));

describe('the Dockerfile', () => {
  it('runs nothing but scripts that the tests run, too', () => {
    const steps = all('RUN');
    expect(steps.length).toBe(3);
    for (const step of steps) {
      expect(step).toMatch(
        /^(?:npm ci(?: --[a-z-]+)*|npm run \w+|node build\/[\w-]+\.ts \/image)$/,
      );
    }
  });

  it('builds from images with a tag, and never from `latest`', () => {
    const bases = [...all('ARG'), ...all('FROM')].join('\n').matchAll(/[\w.\-/]+:[\w.-]+/g);
    const names = [...bases].map(([name]) => name);
    expect(names).toEqual(['node:24-slim', image.base]);
  });

  it('ends with what the build script says that the image is', () => {
    expect(all('USER')).toEqual([`${image.user}:${image.user}`]);
    expect(JSON.parse(all('ENTRYPOINT')[0] ?? '')).toEqual(image.entrypoint);
    const environment = (all('ENV')[0] ?? '').split(/\s+/).map((pair) => pair.split('='));
    expect(Object.fromEntries(environment)).toEqual(image.environment);
    expect(all('COPY').at(-1)).toBe('--from=build /image/ /');
  });

  it('gets exactly what it copies, everything else stays out of the build', () => {
    const lines = readFileSync('.dockerignore', 'utf8').split('\n');
    const rules = lines.filter((line) => line !== '' && !line.startsWith('#'));
    expect(rules[0]).toBe('*');
    const kept = rules.slice(1).map((rule) => rule.replace(/^!/, ''));
    expect(kept.sort()).toEqual([...copied].sort());
  });
});

describe('the build steps of the Dockerfile, in a folder with only what it copies', () => {
  let folder: string;
  let home: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'csi-failover-image-'));
    // The cache is primed as another user, who must be able to come here.
    chmodSync(folder, 0o755);
    const source = join(folder, 'source');
    mkdirSync(source);
    for (const path of copied) cpSync(path, join(source, path), { recursive: true });
    const target = join(folder, 'image');
    for (const step of all('RUN')) {
      const [program = '', ...parameters] = step.replace('/image', target).split(' ');
      if (step.startsWith('npm ci'))
        symlinkSync(resolve('node_modules'), join(source, 'node_modules'));
      else execFileSync(program, parameters, { cwd: source, stdio: 'pipe' });
    }
    home = join(target, 'csi-failover');
  }, 120_000);

  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function start(...parameters: readonly string[]) {
    const [node = '', bundle = ''] = image.entrypoint.map((path) => join(folder, 'image', path));
    const { NODE_COMPILE_CACHE } = image.environment;
    const env = {
      ...image.environment,
      NODE_COMPILE_CACHE: join(folder, 'image', NODE_COMPILE_CACHE),
      NODE_DEBUG_NATIVE: 'COMPILE_CACHE',
    };
    return spawnSync(node, [bundle, ...parameters], { cwd: '/', env, encoding: 'utf8' });
  }

  it('lay out a program that runs', () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const { status, stdout } = start('--version');
    expect([status, stdout]).toEqual([0, expect.stringContaining(`csi-failover ${version}\n`)]);
  });

  it('ship the node of package-lock.json', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Readonly<Record<string, { version?: string }>>;
    };
    const version = lock.packages[`node_modules/node-linux-${process.arch}`]?.version;
    const output = execFileSync(join(home, 'node'), ['--version'], { encoding: 'utf8' });
    expect(output).toBe(`v${version}\n`);
  });

  it('prime a compile cache that is used, though it was made in another folder', () => {
    const { stdout, stderr } = start('--version');
    expect(stdout + stderr).toMatch(/csi-failover\.cjs was accepted/);
  });

  it('prime it for the user of the image and for root, as far as they may become these', () => {
    const users = readdirSync(join(home, 'cache')).map((name) => Number(name.split('-').at(-1)));
    const own = process.getuid?.() ?? 0;
    expect(users.sort((a, b) => a - b)).toEqual(own === 0 ? [0, image.user] : [own]);
  });

  it('need nothing of the base but glibc, libgcc and libstdc++', () => {
    const program = 'console.log(JSON.stringify(process.report.getReport().sharedObjects))';
    const output = execFileSync(join(home, 'node'), ['-e', program], { encoding: 'utf8' });
    const names = (JSON.parse(output) as string[]).map((path) => path.split('/').at(-1) ?? '');
    const known =
      /^(?:node|linux-vdso|linux-gate|ld-linux|lib(?:c|m|dl|pthread|rt|gcc_s|stdc\+\+))(?:[.-]|$)/;
    expect(names.filter((name) => !known.test(name))).toEqual([]);
  });

  it('carry the licences of what is inside', () => {
    const texts = readFileSync(join(home, 'LICENSE.dependencies'), 'utf8');
    for (const name of ['@grpc/grpc-js', '@kubernetes/client-node', 'pino', 'prom-client']) {
      expect(texts).toContain(`\n${name} `);
    }
    expect(readdirSync(home).sort()).toEqual([
      'LICENSE',
      'LICENSE.dependencies',
      'LICENSE.node',
      'cache',
      'csi-failover.cjs',
      'node',
    ]);
  });
});
