import { describe, expect, it } from '@jest/globals';
import type { Action, ActionKind } from '../../../src/controller-mode/actions.ts';
import { actionFor, loseAnswer, podKey, refuse, StoreWorld } from './store-world.ts';

/** The world in which each action is wanted, and how many requests it takes there. */
const settings: Readonly<Record<ActionKind, [requests: number, set: (w: StoreWorld) => void]>> = {
  BeginEpisode: [3, () => undefined],
  UpdateRecord: [2, (w) => w.record()],
  RemoveRecord: [3, (w) => w.record({ phase: 'Released' })],
  MarkPod: [2, (w) => w.record()],
  UnmarkPod: [3, (w) => w.mark()],
  SetTaint: [3, (w) => w.record()],
  ClearTaint: [2, (w) => w.taint()],
  Hold: [4, (w) => begun(w, 'Intent')],
  UndoHold: [3, (w) => w.hold('begun')],
  VerifyRevoked: [1, (w) => begun(w, 'Fenced')],
  SetCondition: [2, () => undefined],
  ConfirmHealth: [1, () => undefined],
  EndPod: [3, (w) => begun(w, 'Intent')],
  Evict: [
    6,
    (w) => {
      begun(w, 'Fenced');
      w.hold('held');
    },
  ],
  DropHold: [
    2,
    (w) => {
      w.record({ phase: 'Fenced' });
      w.hold('held');
      w.store.delete('pods', podKey, { gracePeriodSeconds: 0 });
    },
  ],
};

const kinds = Object.keys(settings) as ActionKind[];
const interruptions = kinds.flatMap((kind) =>
  Array.from({ length: settings[kind][0] + 1 }, (_, request) => [kind, request] as const),
);

/** All but those that ask the driver. */
const toTheApi = interruptions.filter(
  ([kind]) => kind !== 'VerifyRevoked' && kind !== 'ConfirmHealth',
);

function begun(world: StoreWorld, phase: 'Intent' | 'Fenced'): void {
  world.record({ phase });
  world.mark();
}

function worldFor(kind: ActionKind): StoreWorld {
  const world = new StoreWorld();
  settings[kind][1](world);
  return world;
}

/** What the world looks like after one run that nothing disturbs. */
function undisturbed(kind: ActionKind): string {
  const world = worldFor(kind);
  expect(world.run(actionFor(kind, world))).toEqual({ kind: 'Done' });
  return world.summary();
}

/** The same as somebody wants it who has seen what became of it: a hold is over a version. */
function again(world: StoreWorld, what: Action): Action {
  return what.kind === 'Hold' ? { ...what, attachment: world.attachment() } : what;
}

/** Until it is done, or says that there is nothing left to do: what the queue does. */
function repeat(world: StoreWorld, what: () => Action): void {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    if (world.run(what()).kind === 'Done') return;
  }
}

describe('every action', () => {
  it.each(kinds)('%s takes the requests that the interruptions below go through', (kind) => {
    const world = worldFor(kind);
    let requests = 0;
    world.run(actionFor(kind, world), () => {
      requests += 1;
      return undefined;
    });
    expect(requests).toBe(settings[kind][0]);
  });

  it.each(kinds)('%s may be carried out twice', (kind) => {
    const world = worldFor(kind);
    const what = actionFor(kind, world);
    world.run(what);
    const { length } = world.writes;
    world.run(what);
    expect(world.writes).toHaveLength(length);
    expect(world.summary()).toBe(undisturbed(kind));
  });

  it.each(interruptions)(
    '%s may end after %i requests, and is taken up again',
    (kind, requests) => {
      const world = worldFor(kind);
      const what = actionFor(kind, world);
      world.crash(what, requests);
      repeat(world, () => again(world, what));
      expect(world.summary()).toBe(undisturbed(kind));
    },
  );

  it.each(interruptions)(
    '%s may end after %i requests, and somebody else decides anew',
    (kind, requests) => {
      const world = worldFor(kind);
      world.crash(actionFor(kind, world), requests);
      const gone = kind === 'Evict' && world.body('pods', podKey) === undefined;
      if (!gone) repeat(world, () => actionFor(kind, world));
      expect(world.summary()).toBe(undisturbed(kind));
    },
  );

  it.each(interruptions)('%s may lose the answer of request %i', (kind, request) => {
    const world = worldFor(kind);
    const what = actionFor(kind, world);
    const outcome = world.run(what, loseAnswer(request));
    const { length } = interruptions.filter(([one]) => one === kind);
    if (request < length - 1) expect(outcome.kind).toBe('Unknown');
    repeat(world, () => again(world, what));
    expect(world.summary()).toBe(undisturbed(kind));
  });

  it.each(toTheApi)('%s does no harm when request %i is refused', (kind, request) => {
    for (const status of [0, 403, 429, 500]) {
      const world = worldFor(kind);
      const what = actionFor(kind, world);
      world.run(what, refuse(request, status));
      repeat(world, () => again(world, what));
      expect(world.summary()).toBe(undisturbed(kind));
    }
  });
});
