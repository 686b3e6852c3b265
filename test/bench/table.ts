/** What the bench writes: a page of the documentation, and a table for the README. */
import type { Method } from './methods.ts';
import { type Step, steps } from './timeline.ts';
import type { Trial } from './trial.ts';

/** What was measured on. */
export interface Surroundings {
  readonly kubernetes: string;
  readonly attacher: string;
  readonly node: string;
  /** Processor and how many of them. */
  readonly computer: string;
}

export function pageOf(
  trials: readonly Trial[],
  methods: readonly Method[],
  surroundings: Surroundings,
): string {
  const { kubernetes, attacher, node, computer } = surroundings;
  return `# How long a failover takes

Written by \`npm run bench:failover\`, which anybody can repeat: it builds and starts a real control plane (Go, or \`KUBEBUILDER_ASSETS\`), and measures all ways of moving the pods of a dead machine one after the other, on the same control plane with the same settings. \`npm run bench:failover -- --quick\` leaves out the hundred pods and does not touch this page.

Seconds from the moment at which the machine lost its power until the *last* of its pods had the step behind it; in brackets the ratio to csi-failover with its default flags.

${tableOf(trials, methods)}

What the columns say:

* *detection*: somebody knew that the machine had failed.
* *fence*: the storage array had taken the volume away from the dead machine (it answered ControllerUnpublishVolume).
* *eviction*: the old pod's object was gone.
* *detach*: the old VolumeAttachment was gone.
* *attach*: the new VolumeAttachment was attached.
* *first write*: the array accepted the first write of the replacement; *of half* of the pods, and of all.
* *requests*: what our controllers asked of the API per pod, without leader election, watches and Events.

The ways:

${methods.map(({ name, about }) => `* **${name}.** ${about}`).join('\n')}

Measured with Kubernetes ${kubernetes} (etcd, API server, controller manager, scheduler with the flags of a stock installation), external-attacher ${attacher} with its default limits (5 requests a second, 10 at once, 10 workers), Node ${node}, on ${computer}. Three machines; each pod is a StatefulSet of its own with one ReadWriteOnce volume, all of them on the machine that fails. Machines and array are stand-ins that speak the real interfaces (kubelet's side of the API, CSI, a network block device), so no time of a real kubelet, of a real mount or of a real array is in these figures. With a hundred pods the attacher's five requests a second are what everybody waits for: two requests take a volume away, two attach it.
`;
}

/** For the README: seconds until the last pod wrote again, a row for each way. */
export function summaryOf(trials: readonly Trial[], methods: readonly Method[]): string {
  const counts = countsOf(trials);
  const head = ['', ...counts.map((count) => (count === 1 ? '1 pod' : `${count} pods`))];
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  const rows = methods.map((method) => [
    method.name,
    ...counts.map((count) => {
      const alike = trials.filter(({ pods }) => pods === count);
      const trial = alike.find((one) => one.method === method.key);
      return trial === undefined ? '' : lastWriteOf(trial, method, referenceIn(alike));
    }),
  ]);
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The text with the table between the two comments that are there for it. */
export function withSummary(text: string, table: string): string {
  const [begin, end] = ['<!-- bench:failover -->', '<!-- end of bench:failover -->'];
  const [before, old, ...others] = text.split(begin);
  const [, after, ...more] = (old ?? '').split(end);
  if (before === undefined || after === undefined || others.length + more.length > 0) {
    throw new Error(`the README has not exactly one place between ${begin} and ${end}`);
  }
  return [before, begin, '\n', table, '\n', end, after].join('');
}

/** Rows by number of pods, then in the order of the methods. */
export function tableOf(trials: readonly Trial[], methods: readonly Method[]): string {
  const head = ['pods', '', ...steps.slice(0, -1), 'first write of half', 'of all', 'requests'];
  const rows = countsOf(trials).flatMap((count) => {
    const alike = trials.filter(({ pods }) => pods === count);
    const reference = referenceIn(alike);
    return methods.flatMap((method) => {
      const trial = alike.find((one) => one.method === method.key);
      return trial === undefined ? [] : [rowOf(trial, method, reference)];
    });
  });
  const rule = head.map((_, index) => (index === 1 ? '---' : '---:'));
  return [head, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function countsOf(trials: readonly Trial[]): readonly number[] {
  return [...new Set(trials.map(({ pods }) => pods))].toSorted((a, b) => a - b);
}

function referenceIn(alike: readonly Trial[]): Trial | undefined {
  return alike.find(({ method }) => method === 'ours');
}

function rowOf(trial: Trial, method: Method, reference: Trial | undefined): string[] {
  return [
    String(trial.pods),
    method.name,
    ...steps.slice(0, -1).map((step) => trial.ends[step]?.toFixed(1) ?? '-'),
    trial.halfWritten?.toFixed(1) ?? never(method),
    lastWriteOf(trial, method, reference),
    requestsPerPodOf(trial),
  ];
}

/** Seconds, and how many times those of the reference. */
function lastWriteOf(trial: Trial, method: Method, reference: Trial | undefined): string {
  const last: Step = 'first write';
  const seconds = trial.ends[last];
  const shown = seconds?.toFixed(1) ?? never(method);
  const own = reference?.ends[last];
  if (own === undefined || trial === reference) return shown;
  const times = (seconds ?? method.patienceMs / 1_000) / own;
  return `${shown} (${seconds === undefined ? '> ' : ''}${times.toFixed(1)}x)`;
}

function never({ patienceMs }: Method): string {
  return `> ${patienceMs / 1_000}`;
}

/** Of our controllers; without the bench's other ways, which ask nothing in our name. */
function requestsPerPodOf({ requests, pods }: Trial): string {
  const total = Object.values(requests['csi-failover'] ?? {}).reduce((sum, one) => sum + one, 0);
  return total === 0 ? '' : (total / pods).toFixed(1);
}
