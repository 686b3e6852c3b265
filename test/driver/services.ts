/** One method of a CSI service: the request in the names of the wire, the answer likewise. */
export type Handler = (request: Readonly<Record<string, unknown>>) => Promise<object> | object;

/** By method name; a driver serves only what is here, the rest is UNIMPLEMENTED. */
export type Handlers = Readonly<Record<string, Handler>>;

export interface IdentityOptions {
  readonly driverName: string;
  readonly controller: boolean;
}

export function identityHandlers({ driverName, controller }: IdentityOptions): Handlers {
  return {
    GetPluginInfo: () => ({ name: driverName, vendor_version: '1' }),
    GetPluginCapabilities: () => ({
      capabilities: controller ? [{ service: { type: 1 } }] : [],
    }),
    Probe: () => ({ ready: { value: true } }),
  };
}

/** Capability names to the answer of either GetCapabilities call; bare numbers are taken as such. */
export function capabilityAnswer(
  names: readonly string[],
  numbers: Readonly<Record<string, number>>,
): object {
  const types = names.map((name) => numbers[name] ?? Number(name));
  const wrong = names.filter((_, index) => !Number.isInteger(types[index]));
  if (wrong.length > 0) throw new Error(`no such capability: ${wrong.join(', ')}`);
  return { capabilities: types.map((type) => ({ rpc: { type } })) };
}
