import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
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
  return told(`whyNoBinaries() ?? 'nothing is in the way'`, environment);
}

function told(answer: string, environment: Readonly<Record<string, string>>): string {
  const script = `import { ensureBinaries, whyNoBinaries } from ${JSON.stringify(binaries)};
    process.stdout.write(${answer});`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { PATH: join(folder, 'path'), XDG_CACHE_HOME: join(folder, 'cache'), ...environment },
  });
  return stdout === '' ? stderr : stdout;
}

function program(path: readonly string[], text = ''): void {
  const file = join(folder, ...path);
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, text);
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
    program(['path', 'go']);
    expect(whyNot({})).toBe('nothing is in the way');
  });

  it('takes from KUBEBUILDER_ASSETS what is there, and names the rest', () => {
    for (const name of ['etcd', 'kube-apiserver', 'kubectl']) program(['assets', name]);
    const sentence = whyNot({ KUBEBUILDER_ASSETS: join(folder, 'assets') });
    expect(sentence).toContain('kube-controller-manager');
    expect(sentence).not.toContain('kube-apiserver');
    expect(sentence).toContain(`they are not in ${join(folder, 'assets')}`);
  });
});

/** Makes executables, named as Go names them, that say of which package they are. */
const stubOfGo = `#!/bin/sh
for word; do
  case $word in
    -o=*) folder=\${word#-o=} ;;
    -*) ;;
    *.*/*) name=\${word%/v[0-9]}; name=\${name##*/}; echo "$word" > "$folder$name"; chmod +x "$folder$name" ;;
  esac
done
`;

describe('ensureBinaries', () => {
  it('builds what is missing, each under its own name, and leaves nothing else', () => {
    program(['path', 'go'], stubOfGo);
    program(['assets', 'kubectl']);
    const environment = {
      PATH: `${join(folder, 'path')}:${process.env['PATH']}`,
      KUBEBUILDER_ASSETS: join(folder, 'assets'),
    };
    const paths = JSON.parse(
      told('JSON.stringify(await ensureBinaries())', environment),
    ) as Readonly<Record<string, string>>;
    const packages = Object.entries(paths).map(([name, path]) => [
      name,
      readFileSync(path, 'utf8').trim(),
    ]);
    expect(Object.fromEntries(packages)).toEqual({
      etcd: 'go.etcd.io/etcd/server/v3',
      'kube-apiserver': 'k8s.io/kubernetes/cmd/kube-apiserver',
      'kube-controller-manager': 'k8s.io/kubernetes/cmd/kube-controller-manager',
      'kube-scheduler': 'k8s.io/kubernetes/cmd/kube-scheduler',
      kubectl: '',
      'csi-attacher': 'github.com/kubernetes-csi/external-attacher/v4/cmd/csi-attacher',
      'csi-sanity': 'github.com/kubernetes-csi/csi-test/v5/cmd/csi-sanity',
      'mock-driver': 'github.com/kubernetes-csi/csi-test/v4/cmd/mock-driver',
    });
    const left = readdirSync(join(folder, 'cache'), { recursive: true, encoding: 'utf8' });
    expect(left.filter((path) => path.includes('building-'))).toEqual([]);
  });
});
