import type { Option } from './option.ts';

/**
 * Every option there is, by group, in the order in which `--help` shows them. Names are those of
 * the CSI sidecars wherever they have one (csi-lib-utils standardflags/flags.go, external-attacher
 * README). Each is read from the flag, else from `CSI_FAILOVER_<FLAG>`, else it has its default.
 */
export const optionGroups = {
  Basics: {
    mode: {
      kind: 'choice',
      choices: ['controller', 'node'],
      otherwise: 'required',
      help: "controller: beside the driver's controller. node: beside its node plugin.",
    },
    'csi-address': {
      kind: 'socket',
      byDefault: '/run/csi/socket',
      help: "The driver's socket: a path, unix:/path or unix:///path.",
    },
    'driver-name': {
      kind: 'text',
      otherwise: 'asked from the driver',
      help: 'Name of the CSI driver. Set it: then a driver that does not answer is known, too.',
    },
    'node-name': {
      kind: 'text',
      otherwise: '$NODE_NAME',
      help: 'Name of this Node object; needed in node mode.',
    },
    namespace: {
      kind: 'text',
      otherwise: '$POD_NAMESPACE, the service account\'s, or "default"',
      help: "Namespace of our Leases; the driver's own.",
    },
  },
  'Where things are': {
    'kubelet-dir': {
      kind: 'path',
      byDefault: '/var/lib/kubelet',
      help: 'Root directory of the kubelet, as seen from this container.',
    },
    'mountinfo-file': {
      kind: 'path',
      byDefault: '/proc/self/mountinfo',
      help: 'Mount table that must show no fenced volume before a node is released.',
    },
    'cgroup-dir': {
      kind: 'path',
      otherwise: 'off',
      help: "The node's /sys/fs/cgroup; with it the agent unmounts what the kubelet leaves.",
    },
    'boot-id-file': {
      kind: 'path',
      byDefault: '/proc/sys/kernel/random/boot_id',
      help: 'Changes with each boot of the machine.',
    },
    'kubelet-healthz-address': {
      kind: 'endpoint',
      byDefault: '127.0.0.1:10248',
      help: 'Where the kubelet answers /healthz; asked in node mode.',
    },
  },
  'When a node counts as failed': {
    'heartbeat-interval': {
      kind: 'duration',
      byDefault: '2s',
      help: 'How often each node renews its heartbeat Lease.',
    },
    'lost-after': {
      kind: 'duration',
      byDefault: '10s',
      help: 'Silence of the heartbeat after which a node whose kubelet is silent, too, is lost.',
    },
    'kubelet-lost-after': {
      kind: 'duration',
      byDefault: '30s',
      help: 'Silence of the kubelet after which it counts as dead while its node still answers.',
    },
    'unhealthy-after': {
      kind: 'duration',
      byDefault: '30s',
      help: 'How long a volume must be inaccessible on one node before its pods move.',
    },
    'health-interval': {
      kind: 'duration',
      byDefault: '10s',
      help: "How often each agent asks its driver for the health of the node's volumes.",
    },
    'list-volumes-interval': {
      kind: 'duration',
      byDefault: '5m',
      help: "How often the driver's controller is asked for the health of all its volumes.",
    },
    'local-probes': {
      kind: 'boolean',
      byDefault: 'true',
      help: 'Agents also look at the volumes themselves: mount, file system and device.',
    },
  },
  'What may be done about it': {
    'pod-selector': {
      kind: 'list',
      byDefault: 'csi-failover.io/enabled=true',
      help: 'Pods to protect. May be repeated, any suffices; in the environment separated by ";".',
    },
    namespaces: {
      kind: 'list',
      otherwise: 'all',
      help: 'Only pods of these namespaces are moved; separated by ",", or repeated.',
    },
    fence: {
      kind: 'choice',
      choices: ['auto', 'unpublish', 'network', 'out-of-service', 'self', 'external', 'none'],
      byDefault: 'auto',
      help: "What takes a lost node's access to its volumes away; auto: as known for the driver.",
    },
    'unsafe-move-without-fence': {
      kind: 'boolean',
      byDefault: 'false',
      help: 'With --fence=none: move pods with nothing to stop the old writers. CAN DESTROY DATA.',
    },
    'max-lost-nodes': {
      kind: 'share',
      byDefault: '30%',
      help: 'With more nodes in trouble (in percent, or a number) nothing is moved at all.',
    },
    cooldown: {
      kind: 'duration',
      byDefault: '5m',
      help: 'How long a node is left alone after a failover.',
    },
    'graceful-timeout': {
      kind: 'duration',
      byDefault: '5s',
      help: 'How long pods may end by themselves where the kubelet still works.',
    },
    'dry-run': {
      kind: 'boolean',
      byDefault: 'false',
      help: 'Decide and tell, but touch nothing.',
    },
    'node-condition': {
      kind: 'boolean',
      byDefault: 'false',
      help: 'Nodes get condition storage.csi-failover.io/<driver>. Needs a right of its own.',
    },
    timeout: {
      kind: 'duration',
      byDefault: '15s',
      help: 'Deadline of each call to the CSI driver.',
    },
  },
  'Kubernetes API': {
    kubeconfig: {
      kind: 'text',
      otherwise: "the pod's service account",
      help: 'Kubeconfig file, to run outside the cluster.',
    },
    'kube-api-qps': {
      kind: 'number',
      byDefault: '50',
      help: 'Requests a second to the API server, sustained.',
    },
    'kube-api-burst': {
      kind: 'integer',
      byDefault: '100',
      help: 'Requests to the API server in one burst.',
    },
    'leader-election': {
      kind: 'boolean',
      byDefault: 'true',
      help: 'In controller mode: of several replicas only one acts.',
    },
    'leader-election-namespace': {
      kind: 'text',
      otherwise: '--namespace',
      help: "Namespace of the leader's Lease; it must be that of --namespace.",
    },
    'leader-election-lease-duration': {
      kind: 'duration',
      byDefault: '10s',
      help: 'How long others wait before they take over from a silent leader.',
    },
    'leader-election-renew-deadline': {
      kind: 'duration',
      byDefault: '6s',
      help: 'How long a leader tries to renew before it stops acting.',
    },
    'leader-election-retry-period': {
      kind: 'duration',
      byDefault: '2s',
      help: 'How often the Lease is renewed, or looked at.',
    },
  },
  'Watching us': {
    'http-endpoint': {
      kind: 'endpoint',
      otherwise: 'off',
      help: 'host:port or :port that serves metrics, /healthz, /healthz/leader-election, /readyz.',
    },
    'metrics-path': {
      kind: 'path',
      byDefault: '/metrics',
      help: 'Path of the metrics.',
    },
    'log-level': {
      kind: 'choice',
      choices: ['debug', 'info', 'warn', 'error', 'silent'],
      byDefault: 'info',
      help: 'Lines are JSON, on standard output.',
    },
    v: {
      kind: 'text',
      ignored: true,
      help: 'Verbosity as other CSI sidecars have it.',
    },
    automaxprocs: {
      kind: 'boolean',
      ignored: true,
      help: 'As other CSI sidecars have it.',
    },
  },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Option>>>>;

type Groups = typeof optionGroups;
export type Flag = { [Group in keyof Groups]: keyof Groups[Group] }[keyof Groups];

export const options: ReadonlyMap<string, Option> = new Map(
  Object.values(optionGroups).flatMap((group) => Object.entries<Option>(group)),
);

/** Where else a flag is read from. */
export function environmentName(flag: string): string {
  return `CSI_FAILOVER_${flag.toUpperCase().replaceAll('-', '_')}`;
}
