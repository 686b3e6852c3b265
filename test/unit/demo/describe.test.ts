import { describe, expect, it } from '@jest/globals';
import { describeEvents, describeObject, humanDuration, shownEvent } from '../../demo/describe.ts';

const now = Date.parse('2026-11-22T12:00:30Z');

const core = {
  involvedObject: { kind: 'Pod', namespace: 'demo', name: 'web-0', uid: 'u1' },
  type: 'Warning',
  reason: 'NodeLost',
  message: 'worker-a is lost ',
  source: { component: 'csi-failover' },
  firstTimestamp: '2026-11-22T12:00:00Z',
  lastTimestamp: '2026-11-22T12:00:10Z',
  count: 2,
};

const modern = {
  regarding: { kind: 'Node', name: 'worker-a', uid: 'u2' },
  type: 'Normal',
  reason: 'Released',
  note: 'worker-a is clean',
  reportingController: 'csi-failover-controller',
  eventTime: '2026-11-22T12:00:25.250000Z',
};

describe('shownEvent', () => {
  it('reads core/v1', () => {
    expect(shownEvent(core)).toMatchObject({
      from: 'csi-failover',
      message: 'worker-a is lost',
      at: Date.parse('2026-11-22T12:00:10Z'),
      count: 2,
      name: 'web-0',
      uid: 'u1',
    });
  });

  it('reads events.k8s.io/v1', () => {
    expect(shownEvent(modern)).toMatchObject({
      from: 'csi-failover-controller',
      message: 'worker-a is clean',
      at: Date.parse('2026-11-22T12:00:25.250Z'),
      count: 1,
      kind: 'Node',
    });
  });

  it('reads nothing from nothing', () => {
    expect(shownEvent({ source: null, metadata: 3 })).toMatchObject({ from: '', at: 0, count: 1 });
  });
});

describe('describeEvents', () => {
  it('looks like kubectl describe, oldest first', () => {
    const text = describeEvents([shownEvent(modern), shownEvent(core)], now);
    expect(text).toBe(
      [
        'Events:',
        '  Type     Reason    Age       From                     Message',
        '  ----     ------    ----      ----                     -------',
        '  Warning  NodeLost  20s (x2)  csi-failover             worker-a is lost',
        '  Normal   Released  4s        csi-failover-controller  worker-a is clean',
        '',
      ].join('\n'),
    );
  });

  it('says that there are none', () => {
    expect(describeObject([['Name', 'web-0']], [], now)).toBe('Name:  web-0\nEvents:  <none>\n');
  });
});

describe('humanDuration', () => {
  it.each([
    [-5, '0s'],
    [119_999, '119s'],
    [120_000, '2m'],
    [125_000, '2m5s'],
    [15 * 60_000 + 5_000, '15m'],
    [3 * 3_600_000, '3h'],
    [3 * 3_600_000 + 60_000, '3h1m'],
    [9 * 3_600_000 + 60_000, '9h'],
  ])('%d ms is %s', (ms, text) => {
    expect(humanDuration(ms)).toBe(text);
  });
});
