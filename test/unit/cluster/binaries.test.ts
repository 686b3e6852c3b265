import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const binaries = fileURLToPath(new URL('../../cluster/binaries.ts', import.meta.url));

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'binaries-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** What a process with this environment, an empty cache and these programs on its PATH is told. */
function whyNot(environment: Readonly<Record<string, string>>): string {
  const script = `import { whyNoBinaries } from ${JSON.stringify(binaries)};
    process.stdout.write(whyNoBinaries() ?? 'nothing is in the way');`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { PATH: join(folder, 'path'), XDG_CACHE_HOME: join(folder, 'cache'), ...environment },
  });
  return stdout === '' ? stderr : stdout;
}

function program(...path: readonly string[]): void {
  const file = join(folder, ...path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, '');
  chmodSync(file, 0o755);
}

describe('whyNoBinaries', () => {
  it('names what is missing where there is neither Go nor a folder of executables', () => {
    const sentence = whyNot({});
    expect(sentence).toContain('kube-apiserver');
    expect(sentence).toContain('csi-attacher');
    expect(sentence).toContain('Go is not installed, and KUBEBUILDER_ASSETS is not set');
  });

  it('has nothing to say where Go can build what is missing', () => {
    program('path', 'go');
    expect(whyNot({})).toBe('nothing is in the way');
  });

  it('takes from KUBEBUILDER_ASSETS what is there, and names the rest', () => {
    for (const name of ['etcd', 'kube-apiserver', 'kubectl']) program('assets', name);
    const sentence = whyNot({ KUBEBUILDER_ASSETS: join(folder, 'assets') });
    expect(sentence).toContain('kube-controller-manager');
    expect(sentence).not.toContain('kube-apiserver');
    expect(sentence).toContain(`they are not in ${join(folder, 'assets')}`);
  });
});
