import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from '@jest/globals';
import { reply } from './api-server.ts';
import {
  added,
  bench,
  bookmark,
  deleted,
  isWatch,
  isWatchList,
  lease,
  lineOf,
  listReply,
  modified,
  stream,
} from './reflector-bench.ts';
import { until } from '../../../until.ts';

const oneLease = [added(lease('a', 'u1', '5')), bookmark('10', true)];

describe('a watch-list', () => {
  it('tells the initial objects as one fact, then each change', async () => {
    await using b = await bench((call) =>
      stream(call, [
        added(lease('a', 'u1', '5')),
        added(lease('b', 'u2', '6')),
        bookmark('10', true),
        modified(lease('a', 'u1', '11')),
        deleted(lease('b', 'u2', '12')),
        bookmark('13'),
      ]),
    );
    expect(await b.expectFacts(4)).toEqual([
      'Replaced a/u1 b/u2',
      'Upserted a/u1@11',
      'Removed b/u2',
      'WatchAlive',
    ]);
    expect(b.api.calls).toHaveLength(1);
    const { query } = b.api.calls[0] ?? { query: new URLSearchParams() };
    expect(Object.fromEntries(query)).toMatchObject({
      watch: 'true',
      sendInitialEvents: 'true',
      resourceVersionMatch: 'NotOlderThan',
      allowWatchBookmarks: 'true',
    });
  });

  it('counts changes among the initial objects in', async () => {
    await using b = await bench((call) =>
      stream(call, [
        added(lease('a', 'u1', '5')),
        added(lease('b', 'u2', '6')),
        deleted(lease('b', 'u2', '7')),
        modified(lease('a', 'u1', '8')),
        bookmark('10', true),
      ]),
    );
    expect(await b.expectFacts(1)).toEqual(['Replaced a/u1']);
  });

  it('tells another uid under the same name as removed and upserted', async () => {
    await using b = await bench((call) =>
      stream(call, [...oneLease, modified(lease('a', 'u9', '11'))]),
    );
    expect(await b.expectFacts(3)).toEqual(['Replaced a/u1', 'Removed a/u1', 'Upserted a/u9@11']);
  });

  it('tells nothing of a list that breaks off before its end', async () => {
    await using b = await bench((call, index) => {
      stream(call, [added(lease('a', 'u1', '5'))]);
      if (index === 0) setTimeout(() => call.socket.destroy(), 30);
      else stream(call, [bookmark('10', true)]);
    });
    await until(() => b.facts.includes('Replaced a/u1'));
    expect(b.facts).toEqual(['WatchLost', 'Replaced a/u1']);
  });
});

describe('without watch-list', () => {
  it.each([400, 403, 422])('lists in pages and watches when the server says %d', async (status) => {
    await using b = await bench((call) => {
      if (isWatchList(call)) reply(call, status, { kind: 'Status', code: status });
      else if (isWatch(call)) stream(call, [added(lease('d', 'u4', '21'))]);
      else if (call.query.get('continue') === null) {
        listReply(call, [lease('a', 'u1', '1'), lease('b', 'u2', '2')], '20', 't1');
      } else listReply(call, [lease('c', 'u3', '3')], '20');
    });
    expect(await b.expectFacts(3)).toEqual([
      'Replaced a/u1 b/u2 c/u3',
      'WatchAlive',
      'Upserted d/u4@21',
    ]);
    const [, first, second, watch] = b.api.calls.map(({ query }) => query);
    expect(first?.get('limit')).toBe('250');
    expect(first?.has('resourceVersion')).toBe(false);
    expect(second?.get('continue')).toBe('t1');
    expect(watch?.get('resourceVersion')).toBe('20');
  });

  it('does so too when no bookmark ends the initial events', async () => {
    const settings = { initialMs: 80 };
    await using b = await bench((call) => {
      if (isWatchList(call)) stream(call, [added(lease('a', 'u1', '5'))]);
      else if (isWatch(call)) stream(call);
      else listReply(call, [lease('a', 'u1', '5')], '20');
    }, settings);
    expect(await b.expectFacts(2)).toEqual(['Replaced a/u1', 'WatchAlive']);
  });

  it('starts the list again when its token has expired, in the end without pages', async () => {
    let expired = 0;
    await using b = await bench((call) => {
      if (isWatchList(call)) reply(call, 400, {});
      else if (isWatch(call)) stream(call);
      else if (call.query.get('limit') === null) listReply(call, [lease('z', 'u', '1')], '30');
      else if (call.query.has('continue')) {
        expired += 1;
        reply(call, 410, { kind: 'Status', code: 410 });
      } else listReply(call, [lease('a', 'u1', '1')], '20', 't1');
    });
    expect((await b.expectFacts(1))[0]).toBe('Replaced z/u');
    expect(expired).toBe(2);
  });

  it('survives what is not a list, and a list that never goes on', async () => {
    await using b = await bench((call, index) => {
      if (isWatchList(call)) reply(call, 400, {});
      else if (isWatch(call)) stream(call);
      else if (index === 1) reply(call, 200, '<html>please log in</html>');
      else if (index <= 3) listReply(call, [], '20', 'same');
      else listReply(call, [lease('a', 'u1', '1')], '20');
    });
    expect((await b.expectFacts(2)).slice(0, 2)).toEqual(['WatchLost', 'Replaced a/u1']);
  });
});

describe('a watch that ends', () => {
  it('is resumed at once from the last version, without a loss, after the server ended it', async () => {
    await using b = await bench(
      (call, index) => {
        if (index === 0) {
          stream(call, [...oneLease, modified(lease('a', 'u1', '11')), bookmark('15')]);
          call.response.end();
        } else stream(call, [modified(lease('a', 'u1', '16'))]);
      },
      { resumeMs: 20_000 },
    );
    expect(await b.expectFacts(5)).toEqual([
      'Replaced a/u1',
      'Upserted a/u1@11',
      'WatchAlive',
      'WatchAlive',
      'Upserted a/u1@16',
    ]);
    expect(b.api.calls[1]?.query.get('resourceVersion')).toBe('15');
    expect(b.api.calls[1]?.query.has('sendInitialEvents')).toBe(false);
  });

  it('is lost when it is not open again in time', async () => {
    await using b = await bench((call, index) => {
      if (index > 0) return;
      stream(call, [...oneLease, modified(lease('a', 'u1', '11'))]);
      call.response.end();
    });
    expect((await b.expectFacts(3))[2]).toBe('WatchLost');
  });

  it('is lost at once when it breaks, and resumed where it broke', async () => {
    await using b = await bench((call, index) => {
      if (index === 0) {
        stream(call, [...oneLease, modified(lease('a', 'u1', '11'))]);
        setTimeout(() => call.socket.destroy(), 30);
      } else if (index === 1) reply(call, 503, {});
      else stream(call);
    });
    expect(await b.expectFacts(4)).toEqual([
      'Replaced a/u1',
      'Upserted a/u1@11',
      'WatchLost',
      'WatchResumed',
    ]);
    expect(b.api.calls[2]?.query.get('resourceVersion')).toBe('11');
  });

  it.each(['HTTP', 'ERROR event'])('lists anew after 410 by %s', async (form) => {
    await using b = await bench((call, index) => {
      if (index === 0) {
        stream(call, oneLease);
        setTimeout(() => call.socket.destroy(), 30);
      } else if (index === 1 && form === 'HTTP') reply(call, 410, { code: 410 });
      else if (index === 1) {
        stream(call, [{ type: 'ERROR', object: { kind: 'Status', code: 410, message: 'old' } }]);
      } else stream(call, [added(lease('b', 'u2', '30')), bookmark('40', true)]);
    });
    await until(() => b.facts.includes('Replaced b/u2'));
    expect(b.facts.slice(0, 2)).toEqual(['Replaced a/u1', 'WatchLost']);
    expect(isWatchList(b.api.calls[2] as never)).toBe(true);
  });

  it('is given up when the connection is half open', async () => {
    await using b = await bench(
      (call, index) => {
        if (index === 0) stream(call, oneLease);
        else if (index >= 2) stream(call);
        // The second one is accepted and never answered.
      },
      { silenceMs: 80, openMs: 80 },
    );
    await until(() => b.facts.includes('WatchResumed'));
    expect(b.facts.slice(0, 3)).toEqual(['Replaced a/u1', 'WatchLost', 'WatchResumed']);
    expect(b.api.calls[0]?.socket.destroyed).toBe(true);
  });
});

describe('an open stream that falls silent', () => {
  it('is told of, and given up after the time that holds by then', async () => {
    let silences = 0;
    let silenceMs = 300;
    await using b = await bench(
      (call, index) => {
        if (index === 0) stream(call, oneLease);
      },
      {},
      { silenceMs: () => silenceMs, onSilence: () => (silences += 1) },
    );
    await until(() => b.facts.includes('Replaced a/u1'));
    silenceMs = 1_000;
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect([...b.facts, silences]).toEqual(['Replaced a/u1', 0]);
    await until(() => b.facts.includes('WatchLost'));
    expect(silences).toBe(1);
    await until(() => b.api.calls[0]?.socket.destroyed === true);
  });

  it('is another thing than one that breaks', async () => {
    let silences = 0;
    await using b = await bench(
      (call, index) => {
        if (index === 0) stream(call, oneLease);
        if (index === 0) setTimeout(() => call.socket.destroy(), 20);
      },
      {},
      { silenceMs: () => 5_000, onSilence: () => (silences += 1) },
    );
    await until(() => b.facts.includes('WatchLost'));
    expect(silences).toBe(0);
  });
});

describe('what should never come', () => {
  it('takes a line that it cannot read for a missed event, and lists anew', async () => {
    await using b = await bench((call, index) => {
      if (index === 0) {
        stream(call, [...oneLease, '{"type":"MODIFIED","obj', modified(lease('a', 'u1', '12'))]);
      } else stream(call, [added(lease('a', 'u1', '12')), bookmark('13', true)]);
    });
    expect(await b.expectFacts(3)).toEqual(['Replaced a/u1', 'WatchLost', 'Replaced a/u1']);
  });

  it('goes on when a fact is not taken', async () => {
    const taken: string[] = [];
    await using _ = await bench(
      (call) => stream(call, [...oneLease, modified(lease('a', 'u1', '11')), bookmark('12')]),
      {},
      {
        post: (fact) => {
          taken.push(lineOf(fact));
          throw new Error('a mistake of the receiver');
        },
      },
    );
    await until(() => taken.length === 3);
    expect(taken).toEqual(['Replaced a/u1', 'Upserted a/u1@11', 'WatchAlive']);
  });

  it('goes on when an object cannot be projected', async () => {
    await using b = await bench(
      (call) => stream(call, [...oneLease, modified(lease('a', 'u1', '11')), bookmark('12')]),
      {},
      {
        project: () => {
          throw new Error('a mistake of the projection');
        },
      },
    );
    expect(await b.expectFacts(2)).toEqual(['Replaced', 'WatchAlive']);
  });

  it('says nothing more after stop', async () => {
    await using b = await bench((call) => stream(call, oneLease));
    await b.expectFacts(1);
    b.reflector.stop();
    stream(b.api.calls[0] as never, [modified(lease('a', 'u1', '11'))]);
    await until(() => b.api.calls[0]?.socket.destroyed === true);
    expect(b.facts).toEqual(['Replaced a/u1']);
  });
});

describe('a large collection', () => {
  it('is kept as views only: 5,000 objects of 5 KB cost less than 2 KB each', async () => {
    const filler = 'x'.repeat(5000);
    let views: readonly object[] = [];
    const before = heapBytes();
    await using _ = await bench(
      (call) => {
        for (let i = 0; i < 5000; i += 1) {
          const object = {
            ...lease(`lease-${i}`, `uid-${i}`, String(i + 1)),
            filler: `${i}${filler}`,
          };
          stream(call, [added(object)]);
        }
        stream(call, [bookmark('9999', true)]);
      },
      { initialMs: 60_000 },
      {
        post: (fact) => {
          if (fact.kind === 'Replaced') views = fact.objects;
        },
      },
    );
    await until(() => views.length > 0, 60_000);
    expect(views).toHaveLength(5000);
    // What the server and the sockets hold for a moment goes by itself.
    await until(() => (heapBytes() - before) / views.length < 2000, 5000);
  }, 90_000);
});

function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}
