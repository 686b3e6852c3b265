import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { parseWatchEvent } from '../../../../src/shared/kubernetes/watch-event.ts';

function line(type: unknown, object: unknown): string {
  return JSON.stringify({ type, object });
}

const pod = { metadata: { namespace: 'n', name: 'p', uid: 'u', resourceVersion: '7' } };

describe('parseWatchEvent', () => {
  it('understands the five types of event', () => {
    const identity = { namespace: 'n', name: 'p', uid: 'u', resourceVersion: '7', json: pod };
    expect(parseWatchEvent(line('ADDED', pod))).toEqual({ kind: 'Changed', object: identity });
    expect(parseWatchEvent(line('MODIFIED', pod))).toEqual({ kind: 'Changed', object: identity });
    expect(parseWatchEvent(line('DELETED', pod))).toEqual({ kind: 'Deleted', object: identity });
    expect(parseWatchEvent(line('ERROR', { code: 410, message: 'too old' }))).toEqual({
      kind: 'Error',
      code: 410,
      message: 'too old',
    });
    const metadata = { resourceVersion: '9' };
    expect(parseWatchEvent(line('BOOKMARK', { metadata }))).toEqual({
      kind: 'Bookmark',
      resourceVersion: '9',
      initialEventsEnd: false,
    });
  });

  it('knows the bookmark that ends the initial events', () => {
    const annotations = { 'k8s.io/initial-events-end': 'true' };
    const event = parseWatchEvent(
      line('BOOKMARK', { metadata: { resourceVersion: '9', annotations } }),
    );
    expect(event).toMatchObject({ kind: 'Bookmark', initialEventsEnd: true });
  });

  it.each([
    undefined,
    'not json',
    '{"type":"ADDED","object":',
    'null',
    '[]',
    '42',
    line('ADDED', null),
    line('ADDED', { metadata: { name: 'p', uid: '', resourceVersion: '1' } }),
    line('ADDED', { metadata: { name: 7, uid: 'u', resourceVersion: '1' } }),
    line('BOOKMARK', {}),
    line('SOMETHING', pod),
    line(null, pod),
  ])('reports %p as garbage', (text) => {
    expect(parseWatchEvent(text).kind).toBe('Garbage');
  });

  it('never throws', () => {
    const json = fc.jsonValue().map((value) => JSON.stringify(value));
    const event = fc
      .record({ type: fc.constantFrom('ADDED', 'BOOKMARK', 'ERROR'), object: fc.jsonValue() })
      .map((value) => JSON.stringify(value));
    fc.assert(
      fc.property(fc.oneof(fc.string(), json, event), (text) => {
        expect(typeof parseWatchEvent(text).kind).toBe('string');
      }),
    );
  });
});
