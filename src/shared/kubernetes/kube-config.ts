import { type Cluster, KubeConfig, type User } from '@kubernetes/client-node';

/** Where the API server is and how we prove who we are. Files are read later, by the identity. */
export interface ApiServer {
  /** Scheme, host, port and an optional path prefix, without a trailing slash. */
  readonly url: string;
  readonly ca: Source | undefined;
  /** Never check the server's certificate: only what a kubeconfig says explicitly. */
  readonly skipTlsVerify: boolean;
  readonly serverName: string | undefined;
  readonly token: Source | undefined;
  readonly certificate: { readonly cert: Source; readonly key: Source } | undefined;
}

/** A secret or certificate: in the configuration itself, or in a file that may be rotated. */
export type Source =
  | { readonly kind: 'Inline'; readonly text: string }
  | { readonly kind: 'File'; readonly path: string };

/**
 * Reads `--kubeconfig`, or, when it is empty, what the kubelet gives every pod. Throws an Error
 * with a sentence for the person who configures; never connects to anything.
 */
export function loadApiServer(kubeconfig: string): ApiServer {
  const config = new KubeConfig();
  if (kubeconfig === '') config.loadFromCluster();
  else loadFile(config, kubeconfig);
  const cluster = config.getCurrentCluster();
  if (cluster === null) {
    throw new Error(`kubeconfig ${kubeconfig}: the current context names no cluster`);
  }
  const where = kubeconfig === '' ? 'in-cluster configuration' : `kubeconfig ${kubeconfig}`;
  return apiServer(where, cluster, config.getCurrentUser());
}

function loadFile(config: KubeConfig, path: string): void {
  try {
    config.loadFromFile(path);
  } catch (error) {
    throw new Error(`kubeconfig ${path} cannot be read: ${sentence(error)}`, { cause: error });
  }
}

function apiServer(where: string, cluster: Cluster, user: User | null): ApiServer {
  if (!URL.canParse(cluster.server) || new URL(cluster.server).hostname === 'undefined') {
    throw new Error(
      where.startsWith('in-cluster')
        ? 'not running in a pod (KUBERNETES_SERVICE_HOST is not set): give --kubeconfig'
        : `${where}: server "${cluster.server}" is not a URL`,
    );
  }
  if (cluster.proxyUrl !== undefined && cluster.proxyUrl !== '') {
    throw new Error(`${where}: proxy-url is not supported`);
  }
  return {
    url: cluster.server.replace(/\/+$/, ''),
    ca: source(cluster.caData, cluster.caFile),
    // An absent field comes as undefined, whatever its type says.
    skipTlsVerify: cluster.skipTLSVerify ?? false,
    serverName: cluster.tlsServerName,
    token: tokenSource(where, user),
    certificate: certificate(where, user),
  };
}

function tokenSource(where: string, user: User | null): Source | undefined {
  if (user === null) return undefined;
  if (user.exec !== undefined && user.exec !== null) {
    throw new Error(`${where}: exec credential plugins are not supported; use a token or a file`);
  }
  const { authProvider } = user as { authProvider?: { config?: { tokenFile?: unknown } } };
  const tokenFile = authProvider?.config?.tokenFile;
  if (typeof tokenFile === 'string') return { kind: 'File', path: tokenFile };
  if (authProvider !== undefined && authProvider !== null) {
    throw new Error(`${where}: auth providers are not supported; use a token or a file`);
  }
  return user.token === undefined ? undefined : { kind: 'Inline', text: user.token };
}

function certificate(where: string, user: User | null): ApiServer['certificate'] {
  const cert = source(user?.certData, user?.certFile);
  const key = source(user?.keyData, user?.keyFile);
  if ((cert === undefined) !== (key === undefined)) {
    throw new Error(`${where}: client certificate and client key must be given together`);
  }
  return cert === undefined || key === undefined ? undefined : { cert, key };
}

function source(data: string | undefined, file: string | undefined): Source | undefined {
  if (data !== undefined && data !== '') {
    return { kind: 'Inline', text: Buffer.from(data, 'base64').toString('utf8') };
  }
  return file === undefined || file === '' ? undefined : { kind: 'File', path: file };
}

function sentence(error: unknown): string {
  return Error.isError(error) ? error.message : String(error);
}
