/** A pod's writer as the machine's runtime sees it. */
export interface RunningWorkload {
  readonly slot: string;
  readonly podUid: string;
  readonly volume: string;
  /** The last transition that its program told of. */
  readonly state: 'starting' | 'opened' | 'writing' | 'rejected' | 'stalled' | 'stopped';
}

/**
 * A worker node that a test can break, whatever it is made of. Every method resolves when the
 * thing is done, not when the cluster has noticed.
 */
export interface Machine extends AsyncDisposable {
  readonly name: string;
  /** Of this life of the machine; undefined while it is off. */
  readonly bootId: string | undefined;
  /** Power on, with a new boot id; what was on its disk is still there. */
  boot(): Promise<void>;
  /** Everything is gone at once, and nobody is told: connections just fall silent. */
  powerOff(): Promise<void>;
  /** powerOff and boot. */
  reboot(): Promise<void>;
  /** The kubelet alone; pods go on. */
  killKubelet(): Promise<void>;
  restartKubelet(): Promise<void>;
  /** Nothing on the machine runs, and it does not know: what a zombie is made of. */
  freeze(): void;
  thaw(): void;
  /** Between the machine and the API server: connections are refused. */
  cutApi(): void;
  /** As cutApi, but nobody is told: a pulled cable. */
  hangApi(): void;
  healApi(): void;
  /** Between the machine and the array's data. */
  cutStorage(): void;
  /** As cutStorage, but nobody is told. */
  hangStorage(): void;
  healStorage(): void;
  stopAgent(): Promise<void>;
  startAgent(): Promise<void>;
  /** What runs now; empty while the machine is off. Rejects while it is frozen. */
  workloads(): Promise<readonly RunningWorkload[]>;
}
