import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { eventually } from '../machine/eventually.ts';
import { ManagedProcess } from '../machine/process.ts';
import { ScratchFolder } from '../machine/scratch-folder.ts';
import { run } from './command.ts';
import { addresses, Network } from './network.ts';

const name = 'machine';
const port = 5_000;

describe('the cable of a machine', () => {
  const things = new AsyncDisposableStack();
  /** What has arrived at the computer. */
  const heard: string[] = [];
  let network: Network;
  let host: Socket;
  let inside: string;

  beforeAll(async () => {
    network = await Network.create();
    const { path } = things.use(new ScratchFolder('network-'));
    const machine = things.use(
      new ManagedProcess({
        name,
        command: 'unshare',
        args: ['--net', 'sleep', '1000'],
        logFile: `${path}/machine.log`,
        runId: name,
      }),
    );
    inside = `/proc/${machine.pid}/ns/net`;
    const ours = await run('readlink', '/proc/self/ns/net');
    await eventually(async () => (await run('readlink', inside)) !== ours, {
      what: 'a network of its own',
    });
    await network.connect(name, 0, machine.pid);
    host = createSocket('udp4');
    host.on('message', (message) => heard.push(message.toString().trim()));
    host.bind(port, addresses.host);
    await once(host, 'listening');
  }, 30_000);
  afterAll(async () => {
    host?.close();
    await network?.remove(name);
    await things.disposeAsync();
  });

  /** The machine says something, and has forgotten where the computer is. */
  async function speaks(word: string): Promise<void> {
    await run('nsenter', `--net=${inside}`, 'ip', 'neighbour', 'flush', 'all');
    const say = `for i in 1 2 3; do echo ${word} > /dev/udp/${addresses.host}/${port}; sleep 0.3; done`;
    await run('nsenter', `--net=${inside}`, 'bash', '-c', say);
  }

  async function arrives(word: string): Promise<void> {
    await speaks(word);
    await eventually(() => heard.includes(word), { what: `${word} to arrive`, withinMs: 5_000 });
  }

  async function carrier(): Promise<string> {
    return (await run('nsenter', `--net=${inside}`, 'ip', '-brief', 'link', 'show', 'eth0')).trim();
  }

  it('carries what is said', async () => {
    await arrives('first');
  });

  it('carries nothing where it is cut in silence, and nobody is told', async () => {
    network.silence(name, 'nodes');
    await speaks('silent');
    await sleep(1_000);
    expect(heard).not.toContain('silent');
    expect(await carrier()).toMatch(/LOWER_UP/);
    network.heal(name, 'nodes');
    await arrives('healed');
  }, 20_000);

  it('carries nothing where it is pulled out, and both ends see it', async () => {
    network.unplug(name, 'nodes');
    expect(await carrier()).toMatch(/NO-CARRIER/);
    await speaks('unplugged').catch(() => undefined);
    expect(heard).not.toContain('unplugged');
    network.heal(name, 'nodes');
    await arrives('plugged');
  }, 20_000);

  it('is one of two: the other one is left alone', async () => {
    network.silence(name, 'storage');
    await arrives('beside');
    network.heal(name, 'storage');
  }, 20_000);
});
