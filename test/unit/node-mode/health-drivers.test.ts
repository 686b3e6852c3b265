/** What asks the driver's node service, against a driver over real gRPC, in every way it can be. */
import { describe, expect, it } from '@jest/globals';
import { pollNode } from '../../driver/poll-health.ts';
import { CsiError } from '../../driver/reply.ts';
import type { Handlers } from '../../driver/services.ts';
import { eventually } from '../../machine/eventually.ts';
import { scratch } from '../shared/csi/scratch-driver.ts';

async function become(
  words: ReadonlyMap<string, string>,
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  const are = (): boolean =>
    Object.entries(expected).every(([handle, word]) => words.get(handle) === word);
  await eventually(are, { what: `words ${JSON.stringify(expected)}` });
}

/** A driver whose volume b is in trouble, and whose calls fail while `down`. */
function answers(state: { down: boolean }): Handlers {
  const asked = (volume_id: unknown): boolean => {
    if (state.down) throw new CsiError('INTERNAL', 'the array does not answer');
    return volume_id === 'b';
  };
  return {
    NodeGetVolumeStats: ({ volume_id }) => ({
      usage: [],
      volume_condition: { abnormal: asked(volume_id), message: 'so it is' },
    }),
    NodeGetVolumeHealth: ({ volume_id }) => ({
      volume_health: {
        volume_id: String(volume_id),
        health_statuses: asked(volume_id) ? [{ status: 2, reason: 'NoPath' }] : [],
      },
    }),
    NodeGetStorageHealth: () => ({
      backend_health: asked('b') ? [{ status: 2, reason: 'NoPath' }] : [],
    }),
  };
}

const condition = ['GET_VOLUME_STATS', 'VOLUME_CONDITION'];

describe.each<readonly [string, readonly string[], Readonly<Record<string, string>>]>([
  ['VolumeCondition', condition, { a: 'Healthy', b: 'Abnormal', storage: 'no word' }],
  ['VolumeHealth', ['GET_VOLUME_HEALTH'], { a: 'Healthy', b: 'Inaccessible', storage: 'no word' }],
  ['StorageHealth alone', ['GET_STORAGE_HEALTH'], { offered: 'false', storage: 'unreachable' }],
  [
    'both generations and its storage',
    [...condition, 'GET_VOLUME_HEALTH', 'GET_STORAGE_HEALTH'],
    { a: 'Healthy', b: 'Inaccessible', storage: 'unreachable' },
  ],
])('a node service that tells %s', (_, nodeCapabilities, expected) => {
  it('is understood, and its errors are neither good nor bad', async () => {
    await using s = scratch();
    const state = { down: false };
    await s.driver({ nodeCapabilities, override: answers(state) });
    using poll = pollNode(s.connection, ['a', 'b']);
    await become(poll.words, expected);
    state.down = true;
    const isSilent = (): boolean =>
      poll.words.has('failed') || poll.words.get('storage') === 'no word';
    await eventually(isSilent, { what: 'a failure' });
    const volumes = ['a', 'b'].map((handle) => poll.words.get(handle));
    expect(volumes).toEqual([expected.a, expected.b]);
  }, 30_000);
});

it('a node service that tells nothing of health is not asked for it', async () => {
  await using s = scratch();
  const driver = await s.driver({ nodeCapabilities: ['GET_VOLUME_STATS'] });
  using poll = pollNode(s.connection, ['a']);
  await become(poll.words, { offered: 'false', storage: 'no word' });
  expect(poll.words.has('a')).toBe(false);
  expect(new Set(driver.calls)).toEqual(new Set(['NodeGetCapabilities']));
}, 30_000);
