/** Names, for whatever runs in the namespaces, the tree of cgroups that ends with them. */
export const cgroupVariable = 'CSI_FAILOVER_CGROUPS';
