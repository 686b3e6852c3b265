/** What was asked of a real API server, by whom: its audit log, from some moment on. */
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Cluster } from '../cluster/start-cluster.ts';

/** One request that was answered. */
export interface AuditLine {
  readonly verb: string;
  readonly userAgent: string;
  readonly requestURI: string;
  readonly stage: string;
  readonly objectRef?: { readonly resource?: string; readonly subresource?: string };
  readonly responseStatus?: { readonly code?: number };
  readonly requestReceivedTimestamp: string;
}

/** A place in the log: its end, now. */
export function auditMark(cluster: Cluster): number {
  return statSync(auditFile(cluster)).size;
}

/** Everything since then but watches. */
export async function auditSince(cluster: Cluster, mark: number): Promise<readonly AuditLine[]> {
  const input = createReadStream(auditFile(cluster), { start: mark, encoding: 'utf8' });
  const lines: AuditLine[] = [];
  for await (const text of createInterface({ input })) {
    const line = parse(text);
    if (line?.stage === 'ResponseComplete' && line.verb !== 'watch') lines.push(line);
  }
  return lines;
}

/** `patch pods/status` and the like, with how often each was asked. */
export function countByKind(lines: readonly AuditLine[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { verb, objectRef } of lines) {
    const what = [objectRef?.resource, objectRef?.subresource].filter(Boolean).join('/');
    const key = `${verb} ${what}`;
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
}

/** Those of one kind of client, told by the first word of its User-Agent. */
export function askedBy(lines: readonly AuditLine[], client: string): readonly AuditLine[] {
  return lines.filter(({ userAgent }) => userAgent?.startsWith(client));
}

/** Undefined for half a line, which is how a log that is being written ends. */
function parse(text: string): AuditLine | undefined {
  try {
    return JSON.parse(text) as AuditLine;
  } catch {
    return undefined;
  }
}

function auditFile({ folder }: Cluster): string {
  return join(folder, 'audit.log');
}
