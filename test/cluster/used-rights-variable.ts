/** Names the folder where suites write down which rules of manifests/base they used. */
export const usedRightsVariable = 'CSI_FAILOVER_USED_RIGHTS';
