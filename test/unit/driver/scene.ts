import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, credentials, Metadata } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/proto-loader';
import { loadSync } from '@grpc/proto-loader';
import { startArray } from '../../array/start-array.ts';
import { withCapability } from '../../driver/capability.ts';
import type { DriverOptions } from '../../driver/start-driver.ts';
import { startDriver } from '../../driver/start-driver.ts';

type Answer = Readonly<Record<string, unknown>>;

/**
 * How long a test waits for what hangs. Client and driver share one process here, which loads code
 * and collects garbage for a second at times; a shorter wait takes that for a hanging driver.
 */
const deadlineMs = 2_000;

/** Calls a driver as the attacher, the provisioner and the kubelet do. */
function csiClient(endpoint: string) {
  const client = new Client(endpoint, credentials.createInsecure());
  const methods = new Map<string, MethodDefinition<object, object>>();
  for (const file of ['../../../proto/csi.proto', '../../driver/driver.proto']) {
    const path = fileURLToPath(new URL(file, import.meta.url));
    const definition = loadSync(path, { keepCase: true, longs: Number, enums: Number });
    for (const entry of Object.values(definition)) {
      if ('format' in entry) continue;
      for (const [name, method] of Object.entries(entry)) {
        methods.set(name, method as MethodDefinition<object, object>);
      }
    }
  }
  const call = (method: string, request: object = {}): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = methods.get(method) ?? {};
      if (path === undefined || !requestSerialize || !responseDeserialize) throw new Error(method);
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        withCapability(method, request),
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, answer) => (error === null ? resolve({ ...answer }) : reject(error)),
      );
    });
  const connect = (): Promise<void> =>
    new Promise((resolve, reject) => {
      client.waitForReady(Date.now() + 4_000, (error) => (error ? reject(error) : resolve()));
    });
  return { call, connect, close: () => client.close() };
}

/** An array, the driver over it and a client of the driver. */
export async function scene(options: Partial<DriverOptions> = {}) {
  const running = await startArray();
  const folder = mkdtempSync(join(tmpdir(), 'driver-'));
  const endpoint = `unix:${join(folder, 'csi.sock')}`;
  const mountinfoFile = join(folder, 'mountinfo');
  const driver = await startDriver({
    endpoint,
    mode: 'all',
    nodeId: 'node-a',
    arrayAdmin: running.adminAddress,
    arrayNbd: running.nbdAddress,
    mountinfoFile,
    ...options,
  });
  const client = csiClient(endpoint);
  await client.connect();
  return {
    ...running,
    folder,
    mountinfoFile,
    driver,
    call: client.call,
    async [Symbol.asyncDispose]() {
      client.close();
      await driver[Symbol.asyncDispose]();
      await running[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
