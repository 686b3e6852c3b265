import { type Overview, overviewOf, ruleOf } from '../../../src/controller-mode/scope.ts';
import type { Rule } from '../../../src/controller-mode/scope-rules.ts';
import type { DriverCapabilities } from '../../../src/controller-mode/facts.ts';
import type { Policy } from '../../../src/controller-mode/policy.ts';
import type { HealthStatus, VolumeHealth } from '../../../src/shared/health.ts';
import type { NodeReport } from '../../../src/shared/record.ts';
import { World } from './world.ts';

/** A healthy cluster in which somebody looks at volumes, and the storage answers, or not. */
export class StorageWorld extends World {
  static stored(
    health: DriverCapabilities['health'] = 'get',
    changes: Partial<Policy> = {},
  ): StorageWorld {
    const world = new StorageWorld(changes);
    world.start(5);
    world.offers(health);
    for (const node of ['n1', 'n2', 'n3', 'n4', 'n5']) world.well(node);
    return world;
  }

  offers(health: DriverCapabilities['health']): void {
    const capabilities = { publishUnpublish: true, listsPublishedNodes: false, health };
    this.see({ kind: 'Driver', capabilities });
  }

  /** Everything that this agent looks at is well; by default it looks at two volumes. */
  well(node: string, good = 2, report: Partial<NodeReport> = {}): void {
    this.beat(node, { unhealthy: [], volumes: { good, bad: 0, unknown: 0 }, ...report });
  }

  /** The agent says this of these volumes, and that two others are well. */
  sick(
    node: string,
    volumes: readonly string[],
    status: HealthStatus = 'Inaccessible',
    report: Partial<NodeReport> = {},
  ): void {
    const unhealthy = volumes.map((name) => ({ handle: `vol-${name}`, ...word(status) }));
    const counts = { good: 2, bad: volumes.length, unknown: 0 };
    this.beat(node, { unhealthy, volumes: counts, ...report });
  }

  /** The storage, asked for this volume now, says this; undefined: NOT_FOUND. */
  says(name: string, status: HealthStatus | undefined, message = ''): void {
    const health = status === undefined ? undefined : word(status, message);
    this.see({ kind: 'HealthRead', beganAt: this.now, handle: `vol-${name}`, health });
  }

  /** The storage lists these volumes and no others. */
  lists(volumes: Readonly<Record<string, HealthStatus>>, beganAt = this.now): void {
    const entries = Object.entries(volumes).map(
      ([name, status]) => [`vol-${name}`, word(status)] as const,
    );
    this.see({ kind: 'HealthListed', beganAt, volumes: new Map(entries) });
  }

  /** Asking the storage failed; without a name: for the listing. */
  silentStorage(name?: string): void {
    const handle = name === undefined ? '' : `vol-${name}`;
    const code = 'DEADLINE_EXCEEDED';
    this.see({ kind: 'HealthUnread', beganAt: this.now, handle, code, detail: '' });
  }

  /** The kubelet writes this of the volume into the status of the pod; undefined: no more. */
  kubeletSays(name: string, status: HealthStatus | undefined): void {
    const adverse = status === undefined ? {} : { adverse: word(status) };
    const volumes = this.findPod(name).volumes.map((volume) => {
      if (volume.kind !== 'claim' || volume.claim !== name) return volume;
      const { adverse: _before, ...rest } = volume;
      return { ...rest, ...adverse };
    });
    this.changePod(name, { volumes });
  }

  /** Somebody writes this of its volume into the status of the claim; undefined: no field. */
  claimSays(name: string, status: HealthStatus | undefined): void {
    const claim = this.state.claims.get(`default/${name}`);
    if (claim === undefined) throw new Error(`no claim ${name}`);
    const { health: _before, ...rest } = claim;
    const health = status === undefined ? {} : { health: word(status) };
    this.put({ ...rest, resourceVersion: this.version(), ...health });
  }

  overview(): Overview {
    return overviewOf(this.state, this.now);
  }

  rule(node: string, name: string): Rule {
    return ruleOf(this.state, { node, handle: `vol-${name}` }, this.now, this.overview());
  }
}

export function word(status: HealthStatus, message = ''): VolumeHealth {
  return { status, reason: `Is${status}`, message };
}
