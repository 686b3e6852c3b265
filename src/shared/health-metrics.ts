/** The complete picture of the health of volumes. */
export interface HealthPicture {
  /** Claims whose volume the storage finds in trouble, with its word. */
  readonly claims: readonly {
    readonly namespace: string;
    readonly name: string;
    readonly status: string;
  }[];
  /** How many volumes are bad on a node, by where the trouble lies. */
  readonly scopes: ReadonlyMap<string, number>;
  /** Of how many volumes the storage has said anything, and how many it finds bad. */
  readonly known: number;
  readonly abnormal: number;
  /** They are too many to be believed one by one. */
  readonly isMass: boolean;
}

export interface HealthProbe {
  /** The call, without its service. */
  readonly method: string;
  readonly result: 'success' | 'error';
  readonly seconds: number;
}
