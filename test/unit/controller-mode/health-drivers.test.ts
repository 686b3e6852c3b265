/** The source of health facts against a driver over real gRPC, in every way that it can be asked. */
import { describe, expect, it } from '@jest/globals';
import { systemClock } from '../../../src/shared/system-clock.ts';
import { startArray } from '../../array/start-array.ts';
import { type Polled, pollController } from '../../driver/poll-health.ts';
import { eventually } from '../../machine/eventually.ts';
import { scratch } from '../shared/csi/scratch-driver.ts';

async function become(
  { words }: Polled,
  expected: Readonly<Record<string, string>>,
): Promise<void> {
  await eventually(
    () => Object.entries(expected).every(([handle, word]) => words.get(handle) === word),
    { what: `words ${JSON.stringify(expected)}, not ${JSON.stringify([...words])}` },
  );
}

describe.each<readonly [string, readonly string[], string]>([
  ['VolumeCondition, listed', ['LIST_VOLUMES', 'VOLUME_CONDITION'], 'Abnormal'],
  ['VolumeCondition, by name', ['GET_VOLUME', 'VOLUME_CONDITION'], 'Abnormal'],
  ['VolumeCondition, both ways', ['LIST_VOLUMES', 'GET_VOLUME', 'VOLUME_CONDITION'], 'Abnormal'],
  ['VolumeHealth, listed', ['LIST_VOLUME_HEALTH', 'GET_VOLUME_HEALTH'], 'Inaccessible'],
  ['VolumeHealth, by name', ['GET_VOLUME_HEALTH'], 'Inaccessible'],
  [
    'both generations',
    ['LIST_VOLUMES', 'GET_VOLUME', 'VOLUME_CONDITION', 'LIST_VOLUME_HEALTH'],
    'Inaccessible',
  ],
])('a driver that tells %s', (_, capabilities, bad) => {
  it('is understood, in trouble, in an outage of its array and after it', async () => {
    await using storage = await startArray();
    const { array } = storage;
    for (const handle of ['a', 'b']) array.createVolume(handle, 1_048_576);
    array.setVolumeState('b', 'offline');
    await using s = scratch();
    await s.driver({ capabilities, arrayAdmin: storage.adminAddress });
    using poll = pollController(s.controllerWith(5_000), ['a', 'b']);
    await become(poll, { a: 'Healthy', b: bad });
    array.management = 'down';
    await eventually(() => poll.words.has('failed'), { what: 'a failure' });
    expect([poll.words.get('a'), poll.words.get('b')]).toEqual(['Healthy', bad]);
    array.management = 'ok';
    array.setVolumeState('b', 'ok');
    await become(poll, { a: 'Healthy', b: 'Healthy' });
  }, 60_000);
});

it.each([[[]], [['LIST_VOLUMES', 'GET_VOLUME']]])(
  'a driver that tells nothing of health, but %p, is not asked for it',
  async (capabilities) => {
    await using s = scratch();
    const driver = await s.driver({ capabilities });
    using poll = pollController(s.controller, ['a']);
    await systemClock.sleep(500);
    expect(poll.words.size).toBe(0);
    expect(new Set(driver.calls)).toEqual(new Set(['ControllerGetCapabilities']));
  },
);
