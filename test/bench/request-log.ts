/** What was asked of a real API server, and by whom: its audit log. */
import { createReadStream, globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Cluster } from '../cluster/start-cluster.ts';

/** One answered request, as far as we read it (audit.k8s.io/v1 Event). */
export interface LoggedRequest {
  readonly verb: string;
  readonly user: { readonly username: string };
  readonly stage: string;
  readonly objectRef?: {
    readonly resource?: string;
    readonly subresource?: string;
    readonly name?: string;
  };
  readonly requestReceivedTimestamp: string;
}

/** A policy that keeps what we, external-attacher and attach/detach ask, and nothing else. */
export function writeRequestPolicy(path: string): void {
  const policy = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived', 'ResponseStarted'],
    rules: [
      { level: 'None', resources: [{ group: '', resources: ['events'] }] },
      { level: 'None', resources: [{ group: 'events.k8s.io', resources: ['events'] }] },
      {
        level: 'Metadata',
        users: ['csi-attacher', 'system:serviceaccount:kube-system:attachdetach-controller'],
      },
      { level: 'None', userGroups: ['system:serviceaccounts:kube-system'] },
      { level: 'Metadata', userGroups: ['system:serviceaccounts'] },
      { level: 'None' },
    ],
  };
  writeFileSync(path, JSON.stringify(policy));
}

/** Everything since then, in wall-clock ms, but watches. */
export async function requestsSince(
  { folder }: Cluster,
  since: number,
): Promise<readonly LoggedRequest[]> {
  const requests: LoggedRequest[] = [];
  for (const file of globSync('audit*.log', { cwd: folder })) {
    const input = createReadStream(join(folder, file), 'utf8');
    for await (const line of createInterface({ input })) {
      const request = parse(line);
      if (request === undefined || request.verb === 'watch') continue;
      if (Date.parse(request.requestReceivedTimestamp) >= since) requests.push(request);
    }
  }
  return requests;
}

/** How often each of `patch pods/status` and the like was asked by users whose name has this in it. */
export function countByKind(
  requests: readonly LoggedRequest[],
  userName: string,
): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { verb, objectRef, user } of requests) {
    if (!user.username.includes(userName)) continue;
    const what = [objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/');
    const key = `${verb} ${what}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Undefined for half a line, which is how a log that is being written ends. */
function parse(line: string): LoggedRequest | undefined {
  try {
    return JSON.parse(line) as LoggedRequest;
  } catch {
    return undefined;
  }
}
