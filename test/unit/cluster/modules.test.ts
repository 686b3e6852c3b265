import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from '@jest/globals';

/** What a module requires: path and version. A replacement, if there is one, has the same path. */
function required(module: string): ReadonlyMap<string, string> {
  const file = fileURLToPath(new URL(`../../cluster/${module}/go.mod`, import.meta.url));
  const [requirements = '', more = ''] = readFileSync(file, 'utf8').split(/^exclude|^replace/m);
  const versions = [...requirements.matchAll(/^\t(\S+) (v\S+)/gm)];
  const replaced = [...more.matchAll(/^\t\S+ => (\S+) (v\S+)/gm)];
  return new Map([...versions, ...replaced].map(([, path = '', version = '']) => [path, version]));
}

describe('the Go modules of the test cluster', () => {
  // Go compiles a package again where one that it uses has another version: 900 of the attacher's,
  // more than a third of what a control plane costs to build.
  it('have what Kubernetes and the attacher share in one version', () => {
    const kubernetes = required('k8s');
    const shared = [...required('csi')].filter(([path]) => kubernetes.has(path));
    expect(shared.length).toBeGreaterThan(90);
    const different = shared
      .filter(([path, version]) => kubernetes.get(path) !== version)
      .map(([path]) => path);
    // The attacher's API, and what is in none of their executables.
    expect(different).toEqual([
      'github.com/container-storage-interface/spec',
      'golang.org/x/tools',
    ]);
  });
});
