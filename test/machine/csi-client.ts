import { fileURLToPath } from 'node:url';
import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';
import { withCapability } from '../driver/capability.ts';

/** The calls that Kubernetes makes and the product never does; see test/driver/driver.proto. */
export type CsiCall =
  | 'ControllerPublishVolume'
  | 'ControllerUnpublishVolume'
  | 'NodeStageVolume'
  | 'NodeUnstageVolume'
  | 'NodePublishVolume'
  | 'NodeUnpublishVolume';

type Method = MethodDefinition<object, object>;

/** What attacher and kubelet use of a driver: real gRPC on its socket. */
export class CsiClient {
  readonly #client: Client;
  readonly #methods: ReadonlyMap<string, Method>;

  /** `unix:/path`. Connects when it is first called, and again within a second. */
  constructor(address: string) {
    this.#client = new Client(address, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.min_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1_000,
    });
    this.#methods = loadMethods();
  }

  /** Rejects with a sentence that names the gRPC code, as it stands in Kubernetes' Events. */
  async call(
    name: CsiCall,
    request: Readonly<Record<string, string>>,
    deadlineMs: number,
  ): Promise<void> {
    const method = this.#methods.get(name);
    if (method === undefined) throw new Error(`driver.proto has no ${name}`);
    await new Promise<void>((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        withCapability(name, request),
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error: ServiceError | null) => {
          if (error === null) resolve();
          else reject(new Error(`rpc error: code = ${status[error.code]} desc = ${error.details}`));
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

function loadMethods(): ReadonlyMap<string, Method> {
  const file = fileURLToPath(new URL('../driver/driver.proto', import.meta.url));
  const entries = Object.values(loadSync(file, { keepCase: true, longs: Number }));
  const services = entries.filter((entry): entry is ServiceDefinition => !('format' in entry));
  return new Map(services.flatMap((service) => Object.entries(service))) as never;
}
