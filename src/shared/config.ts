import type { LogLevel } from './log.ts';
import type { Share } from './option-value.ts';
import { optionGroups } from './options.ts';

export const modes = optionGroups.Basics.mode.choices;
export const fences = optionGroups['What may be done about it'].fence.choices;

export type FenceOption = (typeof fences)[number];

/** What was asked of us; every option of `--help`, read and checked. Durations in milliseconds. */
export interface Config {
  readonly mode: (typeof modes)[number];
  /** `unix:/absolute/path`. */
  readonly csiAddress: string;
  /** Empty: to be asked from the driver. */
  readonly driverName: string;
  /** Empty in controller mode, perhaps. */
  readonly nodeName: string;
  readonly namespace: string;
  readonly kubeletDir: string;
  readonly mountinfoFile: string;
  /** Empty: nobody can tell which containers run. */
  readonly cgroupDir: string;
  readonly bootIdFile: string;
  readonly kubeletHealthzAddress: string;
  readonly heartbeatIntervalMs: number;
  readonly lostAfterMs: number;
  readonly kubeletLostAfterMs: number;
  readonly unhealthyAfterMs: number;
  readonly healthIntervalMs: number;
  readonly listVolumesIntervalMs: number;
  readonly localProbes: boolean;
  /** A pod that matches any one of these label selectors is protected. */
  readonly podSelectors: readonly string[];
  /** Pods of other namespaces are not moved, whatever their labels; empty: there are no others. */
  readonly namespaces: readonly string[];
  readonly fence: FenceOption;
  readonly unsafeMoveWithoutFence: boolean;
  readonly maxLostNodes: Share;
  readonly cooldownMs: number;
  readonly gracefulTimeoutMs: number;
  readonly dryRun: boolean;
  readonly nodeCondition: boolean;
  /** Deadline of one call to the CSI driver. */
  readonly timeoutMs: number;
  /** Empty: the service account of the pod. */
  readonly kubeconfig: string;
  readonly kubeApiQps: number;
  readonly kubeApiBurst: number;
  readonly leaderElection: boolean;
  readonly leaderElectionNamespace: string;
  readonly leaderElectionLeaseDurationMs: number;
  readonly leaderElectionRenewDeadlineMs: number;
  readonly leaderElectionRetryPeriodMs: number;
  /** Empty: nothing is served. */
  readonly httpEndpoint: string;
  readonly metricsPath: string;
  readonly logLevel: LogLevel;
}
