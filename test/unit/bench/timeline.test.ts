import { describe, expect, it } from '@jest/globals';
import { holdFinalizer } from '../../../src/shared/names.ts';
import { type Evidence, timelineOf } from '../../bench/timeline.ts';
import type { Change } from '../../machine/foundation.ts';
import { pvName, volumeHandle, type WorkloadPlan } from '../../machine/workload-objects.ts';

const victim = 'dead';

function plan(name: string): WorkloadPlan {
  return { kind: 'StatefulSet', namespace: 'shop', name, driverName: 'a.csi.test' };
}

const web = plan('web');
const db = plan('db');

function change(at: number, type: Change['type'], resource: string, object: object): Change {
  return { at, rv: at, type, resource, object } as unknown as Change;
}

function attachment(of: WorkloadPlan, nodeName: string, more: object = {}): object {
  return {
    metadata: { name: `${pvName(of)}-${nodeName}`, uid: `${pvName(of)}-${nodeName}` },
    spec: { nodeName, source: { persistentVolumeName: pvName(of) } },
    ...more,
  };
}

/** One pod after the other, `lagMs` behind the first; power-off at 1000. */
function moved(of: WorkloadPlan, lagMs: number): Evidence {
  const uid = `${of.name}-old`;
  const held = { metadata: { name: 'va', uid: 'va', finalizers: [holdFinalizer] } };
  const at = (ms: number): number => 1_000 + ms + lagMs;
  const writer = { handle: volumeHandle(of), slot: `shop/${of.name}-0`, accepted: 1, rejected: 0 };
  const none = { lastAcceptedAt: undefined, firstRejectedAt: undefined };
  return {
    victim,
    plans: [of],
    podUids: new Set([uid]),
    powerOffAt: 1_000,
    detectedAt: 2_000,
    changes: [
      change(at(2_000), 'MODIFIED', 'volumeattachments', attachment(of, victim, held)),
      change(at(4_000), 'DELETED', 'pods', { metadata: { uid } }),
      change(at(5_000), 'DELETED', 'volumeattachments', attachment(of, victim)),
      change(
        at(6_000),
        'MODIFIED',
        'volumeattachments',
        attachment(of, 'alive', { status: { attached: true } }),
      ),
    ],
    records: [
      { time: 500, call: 'unpublish', handle: volumeHandle(of), nodeId: victim, answer: 'ok' },
      {
        time: at(3_000),
        call: 'unpublish',
        handle: volumeHandle(of),
        nodeId: victim,
        answer: 'ok',
      },
    ],
    writers: [
      { ...writer, ...none, podUid: uid, nodeId: victim, firstAcceptedAt: 100 },
      { ...writer, ...none, podUid: `${of.name}-new`, nodeId: 'alive', firstAcceptedAt: at(7_000) },
    ],
  };
}

function together(...all: readonly Evidence[]): Evidence {
  const [first] = all as readonly [Evidence];
  return {
    ...first,
    plans: all.flatMap(({ plans }) => plans),
    podUids: new Set(all.flatMap(({ podUids }) => [...podUids])),
    changes: all.flatMap(({ changes }) => changes),
    records: all.flatMap(({ records }) => records),
    writers: all.flatMap(({ writers }) => writers),
  };
}

describe('timelineOf', () => {
  it('tells in seconds from power-off when each step was over', () => {
    expect(timelineOf(moved(web, 0))).toEqual({
      ends: { detection: 1, fence: 3, eviction: 4, detach: 5, attach: 6, 'first write': 7 },
      halfWritten: 7,
      recovered: 1,
      detachSpan: 3,
    });
  });

  it('waits for the last pod, counts from the first action, and tells of the earlier half', () => {
    expect(timelineOf(together(moved(web, 0), moved(db, 10_000)))).toEqual({
      ends: { detection: 1, fence: 13, eviction: 14, detach: 15, attach: 16, 'first write': 17 },
      halfWritten: 7,
      recovered: 2,
      detachSpan: 13,
    });
  });

  it('knows no end of what did not happen to all of them', () => {
    const still: Evidence = { ...moved(db, 0), changes: [], records: [], writers: [] };
    const { ends, halfWritten, recovered } = timelineOf(together(moved(web, 0), still));
    expect(ends).toEqual({
      detection: 1,
      fence: undefined,
      eviction: undefined,
      detach: undefined,
      attach: undefined,
      'first write': undefined,
    });
    expect({ halfWritten, recovered }).toEqual({ halfWritten: 7, recovered: 1 });
  });

  it('takes no attachment to the dead machine for a new one', () => {
    const evidence = moved(web, 0);
    const again = attachment(web, victim, { status: { attached: true } });
    const changes = [
      ...evidence.changes.slice(0, 3),
      change(6_500, 'ADDED', 'volumeattachments', again),
    ];
    expect(timelineOf({ ...evidence, changes }).ends.attach).toBeUndefined();
  });
});
