/** One block that somebody tried to write, in the order in which the array decided. */
export interface JournalEntry {
  /** Wall time of the array in ms; the order of the journal counts, not this. */
  readonly time: number;
  readonly handle: string;
  readonly nodeId: string;
  /** Empty for a block without a header of ours: then `podUid` stands for one publication. */
  readonly slot: string;
  readonly podUid: string;
  readonly seq: number;
  readonly accepted: boolean;
}

/** A write that the array took from a pod after it had taken one from that pod's replacement. */
export interface Violation {
  readonly entry: JournalEntry;
  readonly replacedBy: string;
}

/** What became of one pod's writes to one volume. */
export interface WriterSummary {
  readonly handle: string;
  readonly slot: string;
  readonly podUid: string;
  readonly nodeId: string;
  readonly accepted: number;
  readonly rejected: number;
  /** Times of the first and the last accepted write; undefined if there was none. */
  readonly firstAcceptedAt: number | undefined;
  readonly lastAcceptedAt: number | undefined;
  readonly firstRejectedAt: number | undefined;
}

export interface Verdict {
  readonly accepted: number;
  readonly rejected: number;
  readonly violations: readonly Violation[];
  /** Accepted blocks that do not follow the one accepted before them in the same slot. */
  readonly gaps: readonly JournalEntry[];
  /** In the order in which they first tried to write. */
  readonly writers: readonly WriterSummary[];
}

/**
 * The judge. Per (volume, slot): once another pod of the slot has had a write accepted, the pod
 * before it is replaced, and every later accepted write of it is a violation. Rejected writes are
 * what a fence is for and violate nothing.
 */
export function judge(journal: readonly JournalEntry[]): Verdict {
  const slots = new Map<string, { current: string; replaced: Set<string>; lastSeq: number }>();
  const violations: Violation[] = [];
  const gaps: JournalEntry[] = [];
  for (const entry of journal) {
    if (!entry.accepted) continue;
    const key = JSON.stringify([entry.handle, entry.slot]);
    const slot = slots.get(key) ?? { current: entry.podUid, replaced: new Set(), lastSeq: -1 };
    slots.set(key, slot);
    if (slot.replaced.has(entry.podUid)) {
      violations.push({ entry, replacedBy: slot.current });
    } else if (entry.podUid !== slot.current) {
      slot.replaced.add(slot.current);
      slot.current = entry.podUid;
    }
    if (entry.slot !== '' && leavesGap(entry, slot.lastSeq)) gaps.push(entry);
    slot.lastSeq = entry.seq;
  }
  return {
    accepted: journal.filter((entry) => entry.accepted).length,
    rejected: journal.filter((entry) => !entry.accepted).length,
    violations,
    gaps,
    writers: writers(journal),
  };
}

/** Writing the same block once more is no gap: its answer may have been lost. */
function leavesGap(entry: JournalEntry, lastSeq: number): boolean {
  return entry.seq !== lastSeq + 1 && entry.seq !== lastSeq;
}

function writers(journal: readonly JournalEntry[]): WriterSummary[] {
  const summaries = new Map<string, WriterSummary>();
  for (const { handle, slot, podUid, nodeId, accepted, time } of journal) {
    const key = JSON.stringify([handle, slot, podUid]);
    const known = summaries.get(key);
    summaries.set(key, {
      handle,
      slot,
      podUid,
      nodeId,
      accepted: (known?.accepted ?? 0) + (accepted ? 1 : 0),
      rejected: (known?.rejected ?? 0) + (accepted ? 0 : 1),
      firstAcceptedAt: known?.firstAcceptedAt ?? (accepted ? time : undefined),
      lastAcceptedAt: accepted ? time : known?.lastAcceptedAt,
      firstRejectedAt: known?.firstRejectedAt ?? (accepted ? undefined : time),
    });
  }
  return [...summaries.values()];
}
