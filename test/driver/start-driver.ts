import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { sendUnaryData, ServerUnaryCall, ServiceDefinition } from '@grpc/grpc-js';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ArrayAdmin } from '../array/admin-client.ts';
import { requireCapability } from './capability.ts';
import { controllerHandlers } from './controller-service.ts';
import type { Faults } from './faults.ts';
import { FaultTable } from './faults.ts';
import { MountTable } from './mount-table.ts';
import { mountingNodeHandlers } from './mounting-node-service.ts';
import { nodeHandlers } from './node-service.ts';
import { CsiError, optional, serviceError } from './reply.ts';
import { defaultControllerCapabilities, defaultNodeCapabilities } from './service-capabilities.ts';
import type { Handler, Handlers } from './services.ts';
import { identityHandlers } from './services.ts';

export interface DriverOptions {
  /** `unix:/path`; a socket left over from a killed driver is removed. */
  readonly endpoint: string;
  readonly mode: 'controller' | 'node' | 'all';
  readonly driverName?: string;
  readonly nodeId?: string;
  /** Needed for the controller service. */
  readonly arrayAdmin?: string;
  /** Needed for the node service. */
  readonly arrayNbd?: string;
  readonly mountinfoFile?: string;
  /** How long the node service waits for the array before it calls it unreachable. */
  readonly pathDeadlineMs?: number;
  /** Socket of the machine's block layer: then mounts are real, instead of lines of mountinfoFile. */
  readonly blockLayer?: string;
  /** Of the controller service, by name or number. */
  readonly capabilities?: readonly string[];
  readonly nodeCapabilities?: readonly string[];
  /** Without them any node id is published to. */
  readonly knownNodes?: readonly string[];
  readonly faults?: Faults;
  /** A JSON file of faults by method name, read at every call. */
  readonly faultsFile?: string;
  /** Replaces single methods: for answers that no decent driver would give. */
  readonly override?: Handlers;
}

export interface RunningDriver extends AsyncDisposable {
  readonly endpoint: string;
  readonly faults: FaultTable;
  /** Method names of the calls that came, in order. */
  readonly calls: readonly string[];
}

/** Real gRPC over a unix socket: `await using driver = await startDriver({ ... })`. */
export async function startDriver(options: DriverOptions): Promise<RunningDriver> {
  const faults = new FaultTable(options.faults, options.faultsFile);
  const calls: string[] = [];
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  const handlers = { ...handlersOf(options, faults), ...options.override };
  for (const methods of servicesOf(options).values()) {
    const implementation = Object.keys(methods).map((method) => {
      const handler = handlers[method] ?? unimplemented(method);
      return [method, serve({ method, handler, faults, calls })];
    });
    server.addService(methods, Object.fromEntries(implementation));
  }
  rmSync(options.endpoint.slice('unix:'.length), { force: true });
  await new Promise<void>((resolve, reject) => {
    const bound = (error: Error | null) => (error === null ? resolve() : reject(error));
    server.bindAsync(options.endpoint, ServerCredentials.createInsecure(), bound);
  });
  return {
    endpoint: options.endpoint,
    faults,
    calls,
    [Symbol.asyncDispose]() {
      server.forceShutdown();
      return Promise.resolve();
    },
  };
}

/** The services of both .proto files by their full name, those of one name united. */
function servicesOf({ mode }: DriverOptions): Map<string, ServiceDefinition> {
  const services = new Map<string, ServiceDefinition>();
  const loaderOptions = { keepCase: true, longs: Number, enums: Number, defaults: false };
  for (const file of ['../../proto/csi.proto', './driver.proto']) {
    const definition = loadSync(fileURLToPath(new URL(file, import.meta.url)), loaderOptions);
    for (const [name, entry] of Object.entries(definition)) {
      if ('format' in entry) continue;
      services.set(name, { ...services.get(name), ...(entry as ServiceDefinition) });
    }
  }
  if (mode === 'node') services.delete('csi.v1.Controller');
  if (mode === 'controller') services.delete('csi.v1.Node');
  return services;
}

function handlersOf(options: DriverOptions, faults: FaultTable): Handlers {
  const { mode, driverName = 'test.csi-failover.io', nodeId = 'node' } = options;
  return {
    ...identityHandlers({ driverName, controller: mode !== 'node' }),
    ...(mode === 'node'
      ? {}
      : controllerHandlers({
          admin: new ArrayAdmin(options.arrayAdmin ?? ''),
          capabilities: options.capabilities ?? defaultControllerCapabilities,
          knownNodes: options.knownNodes,
          faults,
        })),
    ...(mode === 'controller' ? {} : nodeHandlersOf(nodeId, options, faults)),
  };
}

function nodeHandlersOf(nodeId: string, options: DriverOptions, faults: FaultTable): Handlers {
  const { arrayNbd = '', nodeCapabilities: capabilities = defaultNodeCapabilities } = options;
  const { blockLayer, mountinfoFile = '', pathDeadlineMs } = options;
  const common = { nodeId, arrayNbd, capabilities, faults, pathDeadlineMs };
  return blockLayer === undefined
    ? nodeHandlers({ ...common, mounts: new MountTable(mountinfoFile) })
    : mountingNodeHandlers({ ...common, blockLayer });
}

function unimplemented(method: string): Handler {
  return () => {
    throw new CsiError('UNIMPLEMENTED', `${method} is not served`);
  };
}

interface Served {
  readonly method: string;
  readonly handler: Handler;
  readonly faults: FaultTable;
  readonly calls: string[];
}

type Request = Readonly<Record<string, unknown>>;

function serve({ method, handler, faults, calls }: Served) {
  return (call: ServerUnaryCall<Request, object>, callback: sendUnaryData<object>): void => {
    calls.push(method);
    const fault = faults.of(method, optional(call.request, 'volume_id'));
    const perform = () => {
      requireCapability(method, call.request);
      return handler(call.request);
    };
    answer(fault, async () => perform()).then(
      (result) => (result === undefined ? undefined : callback(null, result)),
      (error: unknown) => callback(serviceError(error)),
    );
  };
}

/** Undefined: no answer is to be given. */
async function answer(
  fault: ReturnType<FaultTable['of']>,
  perform: () => Promise<object> | object,
): Promise<object | undefined> {
  if (fault === 'hang') return undefined;
  if (fault === 'lose') {
    await perform();
    return undefined;
  }
  if (fault !== undefined && 'code' in fault) throw new CsiError(fault.code, 'told to fail');
  if (fault !== undefined) await sleep(fault.delayMs, undefined, { ref: false });
  return perform();
}
