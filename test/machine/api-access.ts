/** Where the API server is, and as whom somebody comes to it. */
export interface ApiAccess {
  /** `http://host:port` or `https://host:port`. */
  readonly server: string;
  /** PEM of the authority that signed the server's certificate; not for plain HTTP. */
  readonly ca?: string | undefined;
  readonly token?: string | undefined;
  /** A client certificate, PEM. */
  readonly client?: { readonly cert: string; readonly key: string } | undefined;
}

/** The same, by way of somebody who forwards: a proxy of the machine. */
export function accessThrough(
  access: ApiAccess,
  { host, port }: { readonly host: string; readonly port: number },
): ApiAccess {
  return { ...access, server: `${new URL(access.server).protocol}//${host}:${port}` };
}
