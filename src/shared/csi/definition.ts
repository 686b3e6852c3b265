import type { MethodDefinition } from '@grpc/proto-loader';
import { fromJSON } from '@grpc/proto-loader';
import descriptor from '../../../proto/csi.json' with { type: 'json' };

type Method = MethodDefinition<object, object>;

/**
 * Every method of proto/csi.proto by its path, `/csi.v1.<Service>/<Method>`. Without defaults and
 * oneof helpers: what the driver did not send is not there, and decoding costs half.
 */
export const csiMethods: ReadonlyMap<string, Method> = readMethods();

function readMethods(): Map<string, Method> {
  const definition = fromJSON(descriptor as Parameters<typeof fromJSON>[0], {
    keepCase: true,
    longs: Number,
    enums: Number,
    defaults: false,
    oneofs: false,
  });
  const methods = new Map<string, Method>();
  for (const entry of Object.values(definition)) {
    // Messages and enums carry a `format`; services are plain records of methods.
    if ('format' in entry) continue;
    for (const method of Object.values(entry)) methods.set(method.path, method as Method);
  }
  return methods;
}
