import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { run } from './command.ts';

/** Where things are in every bed: each has a network namespace of its own, so they do not differ. */
export const addresses = {
  /** The computer itself on the machines' network: API server, administration of the array. */
  host: '10.88.0.1',
  /** The first address of the range of services: that of the API server. */
  service: '10.96.0.1',
  serviceRange: '10.96.0.0/24',
  /** The array on the storage network. */
  array: '10.89.0.1',
} as const;

export interface NodeAddresses {
  readonly node: string;
  readonly storage: string;
  /** `10.88.<n>.0/24`, and its first address. */
  readonly podRange: string;
  readonly podGateway: string;
}

export function addressesOf(index: number): NodeAddresses {
  return {
    node: `10.88.0.${10 + index}`,
    storage: `10.89.0.${10 + index}`,
    podRange: `10.88.${10 + index}.0/24`,
    podGateway: `10.88.${10 + index}.1`,
  };
}

/**
 * Two networks, as where it matters: one for Kubernetes, one for storage. Each is a bridge, and
 * each machine has a cable to both, which can be pulled out, or cut without anybody being told.
 */
export class Network {
  static async create(): Promise<Network> {
    await bridge('nodes', `${addresses.host}/24`);
    await bridge('storage', `${addresses.array}/24`);
    await run('ip', 'address', 'add', `${addresses.service}/32`, 'dev', 'nodes');
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    return new Network();
  }

  /** Two cables to the machine whose first process is `pid`. */
  async connect(name: string, index: number, pid: number): Promise<void> {
    const { node, storage, podRange } = addressesOf(index);
    await cable({
      name: portOf(name, 'nodes'),
      bridge: 'nodes',
      pid,
      device: 'eth0',
      address: node,
    });
    const port = portOf(name, 'storage');
    await cable({ name: port, bridge: 'storage', pid, device: 'eth1', address: storage });
    await within(pid, 'route', 'add', 'default', 'via', addresses.host);
    await run('ip', 'route', 'replace', podRange, 'via', node);
  }

  /** Both cables, with their ends. */
  async remove(name: string): Promise<void> {
    for (const network of ['nodes', 'storage'] as const) {
      await run('ip', 'link', 'delete', portOf(name, network)).catch(() => undefined);
    }
  }

  /** A pulled cable: the other end sees that the carrier is gone. */
  unplug(name: string, cable: Cable): void {
    execFileSync('ip', ['link', 'set', portOf(name, cable), 'down']);
  }

  /**
   * As unplug, but both ends believe that all is well. The port stays in its bridge, shut: outside
   * of one it would be a device of the computer itself, which answers there, too, whoever asks for
   * any of its addresses, and takes what is sent to them.
   */
  silence(name: string, cable: Cable): void {
    execFileSync('bridge', ['link', 'set', 'dev', portOf(name, cable), 'state', 'disabled']);
  }

  heal(name: string, cable: Cable): void {
    const port = portOf(name, cable);
    execFileSync('ip', ['link', 'set', port, 'nomaster']);
    // Whoever comes in new is let through.
    execFileSync('ip', ['link', 'set', port, 'master', cable, 'up']);
  }
}

export type Cable = 'nodes' | 'storage';

/** Names of network devices have at most 15 letters. */
function portOf(name: string, network: Cable): string {
  return `${network.slice(0, 1)}-${name}`;
}

async function bridge(name: string, address: string): Promise<void> {
  await run('ip', 'link', 'add', name, 'type', 'bridge');
  // An address of its own: else it takes the lowest of its ports' and changes it when a machine
  // goes, and all others speak to nobody for half a minute.
  await run(
    'ip',
    'link',
    'set',
    name,
    'address',
    `02:00:00:00:${name === 'nodes' ? '88' : '89'}:01`,
  );
  await run('ip', 'address', 'add', address, 'dev', name);
  await run('ip', 'link', 'set', name, 'up');
}

async function cable(end: {
  readonly name: string;
  readonly bridge: string;
  readonly pid: number;
  readonly device: string;
  readonly address: string;
}): Promise<void> {
  const { name, pid, device, address } = end;
  const peer = ['peer', 'name', device, 'netns', String(pid)];
  await run('ip', 'link', 'add', name, 'type', 'veth', ...peer);
  await run('ip', 'link', 'set', name, 'master', end.bridge, 'up');
  await within(pid, 'address', 'add', `${address}/24`, 'dev', device);
  await within(pid, 'link', 'set', device, 'up');
}

/** `ip` in the network namespace of the process. */
async function within(pid: number, ...args: readonly string[]): Promise<void> {
  await run('nsenter', `--net=/proc/${pid}/ns/net`, 'ip', ...args);
}
