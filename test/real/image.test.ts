import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { basePackages } from '../../build/debian-base.ts';

interface Index {
  readonly manifests: readonly { readonly digest: string }[];
}

interface Manifest {
  readonly config: { readonly digest: string };
  readonly layers: readonly { readonly digest: string }[];
}

interface Config {
  readonly config: {
    readonly User: string;
    readonly Env: readonly string[];
    readonly Entrypoint: readonly string[];
  };
}

describe('the image that is built without an engine', () => {
  let folder: string;
  let config: Config['config'];
  /** Paths of regular files and links, by layer. */
  let layers: readonly (readonly string[])[];

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'image-'));
    // The cache is primed as another user, who must be able to come here.
    chmodSync(folder, 0o755);
    const archive = join(folder, 'image.tar');
    execFileSync(process.execPath, ['build/oci-image.ts', archive, 'example.test/it:1']);
    execFileSync('tar', ['--extract', `--directory=${folder}`, `--file=${archive}`]);
    const blob = (digest: string): string =>
      join(folder, 'blobs/sha256', digest.split(':')[1] ?? '');
    const read = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));
    const index = read(join(folder, 'index.json')) as Index;
    const manifest = read(blob(index.manifests[0]?.digest ?? '')) as Manifest;
    ({ config } = read(blob(manifest.config.digest)) as Config);
    layers = manifest.layers.map(({ digest }) =>
      execFileSync('tar', ['--list', `--file=${blob(digest)}`], { encoding: 'utf8' })
        .split('\n')
        .filter((path) => path !== '' && !path.endsWith('/'))
        .map((path) => path.replace(/^\./, '')),
    );
  }, 120_000);
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('has user, entry point and environment of the Dockerfile', () => {
    const dockerfile = readFileSync('Dockerfile', 'utf8').replaceAll(/\\\n\s*/g, '');
    const line = (word: string): string =>
      new RegExp(`^${word} (.*)$`, 'm').exec(dockerfile)?.[1] ?? '';
    expect(config.User).toBe(line('USER'));
    expect(config.Entrypoint).toEqual(JSON.parse(line('ENTRYPOINT')));
    expect(config.Env).toEqual(line('ENV').split(/\s+/));
  });

  it('has what the last COPY of the Dockerfile takes, and nothing else of ours', () => {
    // The Dockerfile copies what stage-image.ts lays out, whole; test/unit/manifests holds it to it.
    const staged = join(folder, 'staged');
    execFileSync(process.execPath, ['build/stage-image.ts', staged], { stdio: 'pipe' });
    const files = readdirSync(staged, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(staged.length));
    const ofCache = (path: string): string => path.replace(/\/cache\/.*$/, '/cache');
    expect([...new Set(layers[1]?.map(ofCache))].sort()).toEqual(
      [...new Set(files.map(ofCache))].sort(),
    );
  });

  it('lies over libraries of the packages that distroless has, and names of users', () => {
    const owned = new Set(
      basePackages.flatMap((name) =>
        execFileSync('dpkg', ['-L', name], { encoding: 'utf8' }).split('\n'),
      ),
    );
    const others = layers[0]?.filter((path) => !owned.has(path)) ?? [];
    expect(others.sort()).toEqual(['/etc/group', '/etc/passwd']);
    for (const name of ['libc.so.6', 'libgcc_s.so.1', 'libstdc++.so.6']) {
      expect(layers[0]?.some((path) => path.endsWith(`/${name}`))).toBe(true);
    }
  });
});
