import { existsSync } from 'node:fs';
import { enabledLabel } from '../../src/shared/names.ts';
import type { RequestRecord } from '../double/api-server.ts';
import { type Bed, type BedOptions, bundlePath, driverName, startBed } from '../machine/bed.ts';
import type { ModelFoundation } from '../machine/model-foundation.ts';
import type { WorkloadPlan } from '../machine/workload-objects.ts';
import { BedStage } from './bed-stage.ts';

export type { Asked, Mark } from './bed-stage.ts';

export type Settings = Pick<BedOptions, 'controllerFlags' | 'agentFlags' | 'kubeletFlags'>;

/** The test driver is in no table, so its fence has to be declared. */
export const fence = '--fence=unpublish';

/** As shipped, and kubelet leases of 40 s renewed every 10 s. */
export const defaultSettings: Settings = { controllerFlags: [fence] };

const heartbeats = ['--heartbeat-interval=500ms', '--lost-after=2500ms'];

/** Everything about four times as fast; kubelet leases of 8 s renewed every 2 s. */
export function shortSettings(...controllerFlags: readonly string[]): Settings {
  return {
    controllerFlags: [
      ...heartbeats,
      '--kubelet-lost-after=6s',
      '--leader-election-lease-duration=4s',
      '--leader-election-renew-deadline=3s',
      '--leader-election-retry-period=1s',
      '--timeout=2s',
      '--cooldown=0s',
      ...controllerFlags,
    ],
    agentFlags: [...heartbeats, '--kubelet-lost-after=6s'],
    kubeletFlags: ['--lease-duration-seconds=8'],
  };
}

/** A workload of one pod that asked to be protected. */
export function labelled(
  kind: WorkloadPlan['kind'],
  name: string,
  more: Partial<WorkloadPlan> = {},
): WorkloadPlan {
  const labels = { [enabledLabel]: 'true' };
  return { kind, namespace: 'shop', name, labels, driverName, ...more };
}

/** The same without the label. */
export function unlabelled(
  kind: WorkloadPlan['kind'],
  name: string,
  more: Partial<WorkloadPlan> = {},
): WorkloadPlan {
  return { kind, namespace: 'shop', name, driverName, ...more };
}

/** A stage on the modelled control plane. */
export class Stage extends BedStage<ModelFoundation, Bed> {
  /** `name` is that of the folder below .cache/scenarios in which logs are kept. */
  static async open(
    name: string,
    options: Omit<BedOptions, 'bundle'> & { readonly bundle?: string },
  ): Promise<Stage> {
    if (!existsSync(bundlePath)) throw new Error('dist/csi-failover.cjs is missing: npm run build');
    const stage = new Stage(await startBed({ bundle: bundlePath, ...options }), name);
    try {
      await stage.bed.bootAll();
      return stage;
    } catch (error: unknown) {
      await stage.close();
      throw error;
    }
  }

  protected override requests(): readonly RequestRecord[] {
    return this.bed.server.requests;
  }
}
