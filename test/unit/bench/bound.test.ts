import { describe, expect, it } from '@jest/globals';
import {
  attachDetachLimit,
  attacherLimit,
  detachBound,
  type Limit,
  ourLimit,
} from '../../bench/bound.ts';

const boundless: Limit = { burst: 1_000_000, perSecond: 1 };

describe('detachBound', () => {
  it('is three times one pod where no limit is reached', () => {
    expect(detachBound({ pods: 1, onePod: 2, client: ourLimit, attacher: attacherLimit })).toBe(
      6 + (9 + 120 - 100) / 50,
    );
    expect(detachBound({ pods: 5, onePod: 2, client: boundless, attacher: boundless })).toBe(6);
  });

  it('adds what our limit holds back', () => {
    const load = { pods: 100, onePod: 0, client: ourLimit, attacher: boundless };
    expect(detachBound(load)).toBeCloseTo((900 + 120 - 100) / 50);
  });

  it("adds what the attacher's limit holds back", () => {
    const load = { pods: 100, onePod: 0, client: boundless, attacher: attacherLimit };
    expect(detachBound(load)).toBeCloseTo((200 - 10) / 5);
  });

  it('adds what the limit of attach/detach explains, where it is asked to', () => {
    const load = { pods: 100, onePod: 0, client: boundless, attacher: boundless };
    expect(detachBound({ ...load, attachDetach: attachDetachLimit })).toBeCloseTo((200 - 30) / 20);
  });
});
