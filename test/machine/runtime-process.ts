/**
 * The container runtime of one machine as a process of its own, so that it outlives the kubelet:
 * `node runtime-process.ts --socket F --cgroup-dir D [--interval-ms 200] [--deadline-ms 2000]`.
 * HTTP on a unix socket: GET /containers, PUT /containers/<pod uid>, DELETE /containers/<pod uid>.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { rmSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { parseArgs } from 'node:util';
import { type Container, Runtime } from './runtime.ts';

const { values } = parseArgs({
  options: {
    socket: { type: 'string', default: '' },
    'cgroup-dir': { type: 'string' },
    'interval-ms': { type: 'string', default: '200' },
    'deadline-ms': { type: 'string', default: '2000' },
  },
});

const runtime = new Runtime({
  intervalMs: Number(values['interval-ms']),
  deadlineMs: Number(values['deadline-ms']),
  ...(values['cgroup-dir'] !== undefined && { cgroupDir: values['cgroup-dir'] }),
});

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const podUid = decodeURIComponent((request.url ?? '').split('/')[2] ?? '');
  if (request.method === 'PUT') {
    const body = await text(request);
    runtime.start({ ...(JSON.parse(body) as Container), podUid });
  } else if (request.method === 'DELETE') {
    await runtime.stop(podUid);
  }
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(runtime.list()));
}

// The socket of the machine's former life is a file that nobody listens on.
rmSync(values.socket, { force: true });
createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    response.statusCode = 500;
    response.end(String(error));
  });
}).listen(values.socket);
process.once('SIGTERM', () => process.exit(0));
