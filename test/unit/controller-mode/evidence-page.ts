/** docs/evidence.md, made of the rules. Run as a program it writes the page. */
import { writeFileSync } from 'node:fs';
import { dialects } from '../../../src/controller-mode/driver-dialect.ts';
import { type Rule, rules } from '../../../src/controller-mode/scope-rules.ts';

export function evidencePage(): string {
  return [head, rulesTable(), words, dialectTable(), ''].join('\n\n');
}

const head = `# From evidence to scope

"Abnormal" does not mean "move the pod": most of what drivers call so would follow the pod to any other node. So every trouble with a volume is weighed from three views, and the first row that fits decides. The table is \`src/controller-mode/scope-rules.ts\`; this page is made of it.`;

const columns = ['node', 'reach', 'storage', 'others'] as const;

const follows: Readonly<Record<Rule['moves'], string>> = {
  move: '**the pods move**',
  ask: 'the storage is asked; nothing moves before it says that the volume is well',
  never: 'nothing moves',
};

function rulesTable(): string {
  const lines = rules.map(({ when, scope, moves, why }, index) => {
    const views = columns.map((view) => when[view]?.join(' or ') ?? '');
    return row([String(index + 1), ...views, `\`${scope}\``, follows[moves], why]);
  });
  const titles = [
    '',
    'seen by the node',
    'how far there',
    'seen by the storage',
    'seen by other nodes',
    'scope',
    'what follows',
    'why',
  ];
  return [row(titles), row(titles.map(() => '---')), ...lines].join('\n');
}

const words = `An empty cell means: any. The words:

* **Seen by the node**: what its agent reports of the volume, by the driver's node service and by its own looks. \`bad\`: Inaccessible, Hung or Abnormal, without a break for \`--unhealthy-after\` on our clock, which starts anew after a gap in our own view, when other nodes had the same and are well again, and when more nodes than \`--max-lost-nodes\` had trouble or could not tell and that ends, or the storage answers again meanwhile. \`brief\`: not for so long yet. \`worse\`: DataLoss or Degraded. \`unknown\`: it could not tell, or the driver on the node does not answer. \`kubelet-only\`: the agent reports no trouble, and \`status.volumeHealth\` of a pod there calls it Inaccessible.
* **How far there**: \`storage-down\`: the driver says that the node's way to the storage is gone, to our agent or to the kubelet (\`status.storageHealth\` of the CSINode, for all access and volume modes). \`most\`: more than half of the volumes that the agent looks at, and at least two.
* **Seen by the storage**: the driver's controller service. \`mass\`: more than half of all volumes are abnormal, and at least three, or all of at least two. \`unreachable\`: the last question failed. \`stale\`: the last answer is older than 3 min where volumes are listed, 15 min where they are asked for one by one. \`unknown\`: no answer yet, or one without a word on this volume. \`not-offered\`: the driver has no such call. What \`status.healthStatus\` of a claim says is taken for the storage's word until the driver is asked the next time, if it is bad; a good one is \`unknown\`. A failed call is never a recovery, and a volume that is missing from a listing is not well.
* **Seen by other nodes**: \`several\`: another node to which it is attached reports the same volume bad, by its agent or its kubelet, or more nodes than \`--max-lost-nodes\` report bad volumes. \`good\`: one of them sees volumes of the driver that are well.

Before a pod moves, the storage is asked once more, where it answers such questions, and the answer is taken for 10 s; the agent's report is read once more, consistently. Trouble that is not reported any more is over when nobody has reported it for 10 s and the agent lists volumes that are well, or after \`--cooldown\` without any.

The health fields that Kubernetes keeps itself where its gate CSIVolumeHealth is on (alpha from 1.37: \`pod.status.volumeHealth\`, \`pvc.status.healthStatus\`, \`csinode.status.storageHealth\`) are written when they change and do not say when anybody looked last. So they warn, and hold back, and never move a pod by themselves; where they are missing nothing is missing.

Some drivers mean something else by \`abnormal\`:`;

function dialectTable(): string {
  const titles = ['driver', 'seen by', 'abnormal is read as', 'why'];
  const lines = dialects.map(({ driver, viewer, message, means, why }) => {
    const which = message === undefined ? '' : `, if it matches \`${message.source}\``;
    return row([`\`${driver}\``, viewer, `${means}${which}`.replaceAll('|', '\\|'), why]);
  });
  return [row(titles), row(titles.map(() => '---')), ...lines].join('\n');
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

if (import.meta.main) writeFileSync('docs/evidence.md', evidencePage());
