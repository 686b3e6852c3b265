/**
 * Compiles proto/csi.proto to proto/csi.json, which the sources import: the product then needs no
 * .proto file and no parser at run time. The result is committed, so that a bare clone works
 * without a build; a test compares the two.
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import protobuf from 'protobufjs';

const folder = new URL('../proto/', import.meta.url);

/** The descriptor of proto/csi.proto as plain JSON data. */
export function compileDescriptor(): protobuf.INamespace {
  const root = new protobuf.Root();
  // keepCase: the wire names of the specification, not a camelCase version of them.
  root.loadSync(fileURLToPath(new URL('csi.proto', folder)), { keepCase: true });
  return root.toJSON();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL('csi.json', folder), `${JSON.stringify(compileDescriptor(), null, 2)}\n`);
}
