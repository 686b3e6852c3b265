/** In which words a driver tells the health of volumes, as capabilities of its two services. */
export interface Dialect {
  readonly controller: readonly string[];
  readonly node: readonly string[];
}

export type DialectName = 'none' | 'condition' | 'health';

/** `condition` is CSI up to 1.12, `health` is 1.13; a driver may speak neither. */
export const dialects: Readonly<Record<DialectName, Dialect>> = {
  none: { controller: [], node: [] },
  condition: { controller: ['VOLUME_CONDITION'], node: ['VOLUME_CONDITION'] },
  health: {
    controller: ['GET_VOLUME_HEALTH', 'LIST_VOLUME_HEALTH'],
    node: ['GET_VOLUME_HEALTH', 'GET_STORAGE_HEALTH'],
  },
};
