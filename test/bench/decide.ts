/**
 * `npm run bench:decide`: how long one decision takes on 5,000 nodes, 50,000 pods and 20,000
 * VolumeAttachments while a dozen nodes fail, and how many facts a second are folded. Prints
 * ratios to what the design allows; asserts nothing, because machines differ.
 */
import { BenchCluster, large, type Size } from './cluster.ts';

const budgetMs = 20;
/** Heartbeats and kubelet Leases of so many nodes: what arrives in the worst second. */
const factsPerSecond = 3_000;

/** The least of all that is not less than this share of them. */
function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function timed(work: () => void): number {
  const startedAt = performance.now();
  work();
  return performance.now() - startedAt;
}

/** Node compiles what has run for a while; a leader decides all day long. */
const warmUpMs = 3_000;

function benchDecide(what: string, size: Size, sick = 0): void {
  const cluster = new BenchCluster(size);
  if (sick > 0) cluster.sicken(sick);
  const { actions, notices } = cluster.decide();
  const decide = (): void => void cluster.decide();
  for (const until = performance.now() + warmUpMs; performance.now() < until; ) decide();
  const before = process.cpuUsage();
  const times = Array.from({ length: 100 }, () => timed(decide)).sort((a, b) => a - b);
  const { user, system } = process.cpuUsage(before);
  const processorMs = (user + system) / 1_000 / times.length;
  const [least, median, late] = [
    percentile(times, 0),
    percentile(times, 0.5),
    percentile(times, 0.95),
  ];
  const { nodes, podsPerNode, volumesPerNode, failed } = size;
  console.log(
    `${what}: ${nodes} nodes, ${nodes * podsPerNode} pods, ${nodes * volumesPerNode} attachments, ` +
      `${failed + sick} failed: ${actions.length} actions, ${notices.length} notices`,
  );
  console.log(
    `  decide: least ${least.toFixed(1)} ms, median ${median.toFixed(1)} ms, ` +
      `95 % ${late.toFixed(1)} ms; ${processorMs.toFixed(1)} ms of processor, ` +
      `${((100 * processorMs) / budgetMs).toFixed(0)} % of ${budgetMs} ms`,
  );
}

function benchObserve(size: Size): void {
  const cluster = new BenchCluster(size);
  const round = (): void => {
    cluster.now += 2_000;
    for (let i = size.failed; i < size.nodes; i += 1) cluster.renew(i);
  };
  for (let i = 0; i < 5; i += 1) round();
  const facts = 2 * (size.nodes - size.failed);
  const perSecond = (1000 * 10 * facts) / timed(() => Array.from({ length: 10 }, round));
  const share = (100 * factsPerSecond) / perSecond;
  console.log(
    `  observe: ${Math.round(perSecond).toLocaleString('en')} facts a second; ` +
      `${factsPerSecond} of them are ${share.toFixed(1)} % of one processor`,
  );
}

benchDecide('calm', { ...large, failed: 0 });
benchDecide('a dozen nodes fail', large);
benchDecide('a dozen nodes cannot use their volumes', { ...large, failed: 0 }, 12);
benchDecide('a dozen full nodes fail', {
  nodes: 500,
  podsPerNode: 100,
  volumesPerNode: 40,
  failed: 12,
});
benchObserve(large);
