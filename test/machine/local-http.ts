import { request } from 'node:http';

export interface LocalRequest {
  readonly socketPath: string;
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
  readonly deadlineMs: number;
}

/** JSON over a unix socket. Rejects without an answer in time, and on any status but 200. */
export async function callLocal<T>(options: LocalRequest): Promise<T> {
  const { socketPath, method, path, body, deadlineMs } = options;
  const answer = await new Promise<string>((resolve, reject) => {
    const signal = AbortSignal.timeout(deadlineMs);
    const outgoing = request({ socketPath, method, path, signal, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString('utf8');
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(`${method} ${path}: ${response.statusCode} ${text.slice(0, 200)}`));
      });
    });
    outgoing.once('error', reject);
    outgoing.end(body === undefined ? undefined : JSON.stringify(body));
  });
  return JSON.parse(answer) as T;
}
