import { describe, expect, it } from '@jest/globals';
import type { Config } from '../../../src/shared/config.ts';
import { helpText } from '../../../src/shared/help-text.ts';
import { environmentName, options } from '../../../src/shared/options.ts';
import {
  type ConfigResult,
  describeProblem,
  readConfig,
  type Surroundings,
} from '../../../src/shared/read-config.ts';

type Input = Partial<Omit<Surroundings, 'argv'>>;

function read(argv: readonly string[], input: Input = {}): ConfigResult {
  return readConfig({ argv, environment: {}, readFile: () => undefined, ...input });
}

function configOf(argv: readonly string[], input: Input = {}): Config {
  const result = read(['--mode=controller', ...argv], input);
  if (result.kind !== 'Config') throw new Error(problemsOf(result).join('\n'));
  return result.config;
}

function problemsOf(result: ConfigResult): readonly string[] {
  return result.kind === 'Invalid' ? result.problems.map(describeProblem) : [];
}

function complaints(argv: readonly string[], input: Input = {}): readonly string[] {
  return problemsOf(read(['--mode=controller', ...argv], input));
}

describe('defaults', () => {
  it('are those of the documentation', () => {
    expect(configOf([])).toEqual({
      mode: 'controller',
      csiAddress: 'unix:/run/csi/socket',
      driverName: '',
      nodeName: '',
      namespace: 'default',
      kubeletDir: '/var/lib/kubelet',
      mountinfoFile: '/proc/self/mountinfo',
      cgroupDir: '',
      bootIdFile: '/proc/sys/kernel/random/boot_id',
      kubeletHealthzAddress: '127.0.0.1:10248',
      heartbeatIntervalMs: 2000,
      lostAfterMs: 10_000,
      kubeletLostAfterMs: 30_000,
      unhealthyAfterMs: 30_000,
      healthIntervalMs: 10_000,
      listVolumesIntervalMs: 300_000,
      localProbes: true,
      podSelectors: ['csi-failover.io/enabled=true'],
      fence: 'auto',
      unsafeMoveWithoutFence: false,
      maxLostNodes: { percent: 30 },
      cooldownMs: 300_000,
      gracefulTimeoutMs: 5000,
      dryRun: false,
      nodeCondition: false,
      namespaces: [],
      timeoutMs: 15_000,
      kubeconfig: '',
      kubeApiQps: 50,
      kubeApiBurst: 100,
      leaderElection: true,
      leaderElectionNamespace: 'default',
      leaderElectionLeaseDurationMs: 10_000,
      leaderElectionRenewDeadlineMs: 6000,
      leaderElectionRetryPeriodMs: 2000,
      httpEndpoint: '',
      metricsPath: '/metrics',
      logLevel: 'info',
    });
  });

  it('cannot be changed by anybody who holds the configuration', () => {
    expect(Object.isFrozen(configOf([]))).toBe(true);
  });

  it('take the namespace from the flag, the pod, its service account, in this order', () => {
    const readFile = (file: string): string | undefined =>
      file === '/var/run/secrets/kubernetes.io/serviceaccount/namespace' ? 'mounted\n' : undefined;
    const environment = { POD_NAMESPACE: 'pod' };
    const own = ['--namespace=own'];
    expect(configOf(own, { environment, readFile }).namespace).toBe('own');
    expect(configOf([], { environment, readFile }).namespace).toBe('pod');
    expect(configOf([], { readFile }).namespace).toBe('mounted');
    expect(configOf([], {}).namespace).toBe('default');
    expect(configOf(own).leaderElectionNamespace).toBe('own');
    expect(configOf(['--leader-election-namespace=own', ...own]).leaderElectionNamespace).toBe(
      'own',
    );
  });

  it('take the node name from $NODE_NAME', () => {
    const environment = { NODE_NAME: 'worker-1' };
    expect(configOf(['--mode=node'], { environment }).nodeName).toBe('worker-1');
    expect(configOf(['--node-name=w2'], { environment }).nodeName).toBe('w2');
  });
});

describe('the dialect of the CSI sidecars', () => {
  it.each([
    [['--timeout=3s']],
    [['-timeout=3s']],
    [['--timeout', '3s']],
    [['-timeout', '3s']],
    [['--timeout=9s', '--timeout=3s']],
  ])('%j', (argv) => {
    expect(configOf(argv).timeoutMs).toBe(3000);
  });

  it.each([
    [['--dry-run'], true],
    [['-dry-run'], true],
    [['--dry-run=true'], true],
    [['--dry-run=1'], true],
    [['--dry-run=false'], false],
    [['--dry-run=F'], false],
    [['--dry-run', '--dry-run=false'], false],
  ])('%j', (argv, expected) => {
    expect(configOf(argv).dryRun).toBe(expected);
  });

  it.each([
    ['/csi/csi.sock', 'unix:/csi/csi.sock'],
    ['unix:/csi/csi.sock', 'unix:/csi/csi.sock'],
    ['unix:///csi/csi.sock', 'unix:/csi/csi.sock'],
  ])('socket %s', (text, expected) => {
    expect(configOf([`--csi-address=${text}`]).csiAddress).toBe(expected);
  });

  it.each([
    ['500ms', 500],
    ['2s', 2000],
    ['1m30s', 90_000],
    ['1.5s', 1500],
    ['1h', 3_600_000],
    ['0', 0],
  ])('duration %s', (text, expected) => {
    expect(configOf(['--cooldown', text]).cooldownMs).toBe(expected);
  });

  it.each([
    ['30%', { percent: 30 }],
    ['100%', { percent: 100 }],
    ['4', { count: 4 }],
  ])('share %s', (text, expected) => {
    expect(configOf(['--max-lost-nodes', text]).maxLostNodes).toEqual(expected);
  });

  it('collects repeated selectors; several in one variable are separated by ";"', () => {
    const argv = ['--pod-selector=a=b,c!=d', '--pod-selector', 'tier in (x, y)'];
    expect(configOf(argv).podSelectors).toEqual(['a=b,c!=d', 'tier in (x, y)']);
    const environment = { CSI_FAILOVER_POD_SELECTOR: 'podmon.dellemc.com/driver=csi-x;!off' };
    const both = ['podmon.dellemc.com/driver=csi-x', '!off'];
    expect(configOf([], { environment }).podSelectors).toEqual(both);
    expect(configOf(argv, { environment }).podSelectors).toHaveLength(2);
  });

  it('collects namespaces, separated by "," or repeated', () => {
    const argv = ['--namespaces=shop,bank', '--namespaces', 'db'];
    expect(configOf(argv).namespaces).toEqual(['shop', 'bank', 'db']);
    expect(configOf([]).namespaces).toEqual([]);
  });

  it('accepts what people copy from other sidecars, without a meaning', () => {
    expect(configOf(['--v=5', '-v', '4', '--automaxprocs'])).toEqual(configOf([]));
  });
});

describe('precedence', () => {
  it('flag beats environment beats default', () => {
    const environment = { CSI_FAILOVER_LOST_AFTER: '20s' };
    expect(configOf([], { environment }).lostAfterMs).toBe(20_000);
    expect(configOf(['--lost-after=12s'], { environment }).lostAfterMs).toBe(12_000);
  });

  it('every option can be given by environment', () => {
    for (const flag of options.keys()) {
      const environment = { CSI_FAILOVER_MODE: 'controller', [environmentName(flag)]: '?;(' };
      const complained = problemsOf(read([], { environment }));
      const ignored = options.get(flag)?.ignored === true || flag === 'kubeconfig';
      expect({ flag, complaints: complained.length }).toEqual({
        flag,
        complaints: ignored ? 0 : expect.any(Number),
      });
      if (!ignored) expect(complained.join()).toContain(`--${flag}`);
    }
  });

  it('ignores what a Service of our name puts into the environment, and empty variables', () => {
    const environment = { CSI_FAILOVER_PORT: 'tcp://10.0.0.1:80', CSI_FAILOVER_FENCE: '' };
    expect(configOf([], { environment })).toEqual(configOf([]));
  });
});

describe('mistakes', () => {
  it('are told all at once, each with what was expected and what was given', () => {
    const argv = [
      '--mode=both',
      '--timeout=soon',
      '--lost-aftr=3s',
      '--dry-run',
      'false',
      '--fence=',
    ];
    expect(problemsOf(read(argv, { environment: { CSI_FAILOVER_COOLDOWN: '5' } }))).toEqual([
      '--lost-aftr: expected --lost-after, perhaps, got an unknown flag',
      'false: expected --dry-run=false, in one word, got an argument without a flag',
      '--mode: expected one of controller, node, got "both"',
      '--fence: expected one of auto, unpublish, network, out-of-service, self, external, none, got ""',
      '--cooldown: expected a duration such as 500ms, 2s or 1m30s, got "5" (from CSI_FAILOVER_COOLDOWN)',
      '--timeout: expected a duration such as 500ms, 2s or 1m30s, got "soon"',
    ]);
  });

  it.each<[readonly string[], string]>([
    [['--timeout'], '--timeout: expected a value'],
    [['--timeout', '--dry-run'], '--timeout: expected a value'],
    [['positional'], 'positional: expected flags only'],
    [['--heartbeat-intervall=1s'], '--heartbeat-interval, perhaps'],
    [['--completely-different=1s'], 'a flag listed by --help'],
    [['--mode=Node'], 'one of controller, node'],
    [['--csi-address=relative/socket'], 'an absolute path'],
    [['--csi-address=tcp://1.2.3.4:5'], 'an absolute path'],
    [[`--csi-address=/${'x'.repeat(107)}`], 'at most 107 bytes'],
    [['--timeout=-1s'], 'a duration'],
    [['--timeout=1'], 'a duration'],
    [['--timeout=1s2'], 'a duration'],
    [['--max-lost-nodes=0'], 'a percentage from 1% to 100%'],
    [['--max-lost-nodes=101%'], 'a percentage from 1% to 100%'],
    [['--max-lost-nodes=0%'], 'a percentage from 1% to 100%'],
    [['--kube-api-qps=0'], 'a number above 0'],
    [['--kube-api-burst=1.5'], 'a whole number'],
    [['--http-endpoint=8080'], 'host:port or :port'],
    [['--http-endpoint=:99999'], 'host:port or :port'],
    [['--pod-selector=a in b'], 'a label selector'],
    [['--pod-selector='], 'a label selector'],
    [['--namespaces=shop,'], 'the name of a namespace'],
    [['--driver-name=a b'], 'the name of a CSI driver'],
    [['--namespace=Not_A_Name'], 'the name of a namespace'],
    [['--dry-run=maybe'], 'true or false'],
    [['--log-level=loud'], 'one of debug, info'],
  ])('%j', (argv, expected) => {
    const told = complaints(argv);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(expected);
  });

  it('includes the missing mode', () => {
    expect(problemsOf(read([]))).toEqual(['--mode: expected one of controller, node, got nothing']);
  });
});

describe('relations between options', () => {
  it.each<[readonly string[], string]>([
    [['--mode=node'], '--node-name'],
    [['--heartbeat-interval=0'], '--heartbeat-interval'],
    [['--timeout=0'], '--timeout'],
    [['--lost-after=3999ms'], '--lost-after: expected at least twice --heartbeat-interval'],
    [['--heartbeat-interval=6s'], '--lost-after: expected at least twice --heartbeat-interval'],
    [['--kubelet-lost-after=10s'], '--kubelet-lost-after: expected more than --lost-after'],
    [
      ['--kubelet-lost-after=2s', '--lost-after=1s', '--heartbeat-interval=500ms'],
      '--kubelet-lost-after: expected at least 3s, got 2s',
    ],
    [['--health-interval=0'], '--health-interval: expected at least 100ms, got 0ms'],
    [['--health-interval=16s'], '--unhealthy-after: expected at least twice --health-interval'],
    [['--leader-election-lease-duration=6s'], 'more than --leader-election-renew-deadline'],
    [['--leader-election-renew-deadline=2s'], 'more than --leader-election-retry-period'],
    [['--leader-election-retry-period=0'], '--leader-election-retry-period: expected at least'],
    [['--unsafe-move-without-fence'], '--fence=none beside it'],
    [['--metrics-path=/healthz'], 'not taken by /healthz'],
  ])('%j', (argv, expected) => {
    const told = complaints(argv);
    expect(told).toHaveLength(1);
    expect(told[0]).toContain(expected);
  });

  it('hold at their bounds', () => {
    expect(configOf(['--lost-after=4s']).lostAfterMs).toBe(4000);
    const unsafe = ['--fence=none', '--unsafe-move-without-fence'];
    expect(configOf(unsafe).unsafeMoveWithoutFence).toBe(true);
  });

  it('are not told of an option that could not be read', () => {
    expect(complaints(['--lost-after=soon'])).toHaveLength(1);
  });
});

describe('help', () => {
  it.each([['--help'], ['-help'], ['-h']])('%s comes before any mistake', (flag) => {
    expect(read(['--nonsense', flag])).toEqual({ kind: 'Help' });
  });

  it('--version, too', () => {
    expect(read(['--version'])).toEqual({ kind: 'Version' });
  });

  it('names every option with its default, and fits a terminal', () => {
    const text = helpText();
    for (const [flag, option] of options) {
      expect(text).toMatch(new RegExp(`^  --${flag}[ \\n]`, 'm'));
      if (option.byDefault !== undefined) expect(text).toContain(`(${option.byDefault})`);
    }
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(text).toContain('CSI_FAILOVER_');
    expect(text.endsWith('\n')).toBe(true);
  });
});
