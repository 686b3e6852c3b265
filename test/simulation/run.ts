/** One seed from its first moment to its last: safety while things break, then liveness. */
import { engageCaretaker } from './caretaker.ts';
import { type CloseCall, closeCalls, playCloseCall, workloadsAround } from './close-calls.ts';
import { areFenced, lateDriver, listingDriver, plainDriver, planDrivers } from './drivers.ts';
import type { Kill } from './interruption.ts';
import { inject, planFaults, type PlannedFault } from './faults.ts';
import { type HealthStory, healthStories, workloadsOf, playHealthStory } from './health-stories.ts';
import { Prng } from './prng.ts';
import { planWorkloads, type WorkloadPlan } from './workloads.ts';
import { World, type WorldPlan } from './world.ts';

const settleMs = 20_000;
const faultyMs = 90_000;
/** After healing: the longest waits of Kubernetes are 6 minutes and a sync of 60 s. */
const convergeMs = 540_000;
/** It must stay so, without any action of ours. */
const restMs = 12_000;
/** A death without any other fault must be over by then; detection takes up to 15 s of it. */
const oneDeathMs = 22_000;
/** The other replica waits for the end of the lease. */
const leaderChangeMs = 15_000;

export interface RunOptions {
  readonly keepLines?: boolean;
  /** Instead of what the seed would draw: a part of it. */
  readonly faults?: readonly PlannedFault[];
  readonly killAt?: { readonly write: number; readonly when: Kill };
}

export interface Run {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly faults: readonly PlannedFault[];
  readonly episodes: number;
  readonly moves: number;
  readonly writes: number;
  readonly simulatedMs: number;
  readonly traceHash: string;
  readonly lines: readonly string[];
}

/** Every fifth seed is one trouble alone: a death or bad volumes, with a bound on its time, or a close call. */
export function isOneDeath(seed: number): boolean {
  return seed % 5 === 0;
}

/** One after the other, so that a few seeds have them all. */
function healthStory(seed: number): HealthStory | undefined {
  return seed % 10 === 5 ? healthStories[Math.floor(seed / 10) % healthStories.length] : undefined;
}

/** Every twentieth seed, one after the other, too. */
function closeCallOf(seed: number): CloseCall | undefined {
  return seed % 20 === 10 ? closeCalls[Math.floor(seed / 20) % closeCalls.length] : undefined;
}

export function runSeed(seed: number, options: RunOptions = {}): Run {
  const prng = new Prng(seed);
  const oneDeath = isOneDeath(seed);
  const story = healthStory(seed);
  const call = closeCallOf(seed);
  const plan = planWorld(prng.fork(), { oneDeath, story, call });
  const planned = oneDeath ? [] : planFaults(prng.fork(), faultyMs - 10_000);
  const faults = options.faults ?? planned;
  const { keepLines = false, killAt } = options;
  const world = new World(plan, prng.fork(), { keepLines });
  world.checkers.killAt = killAt;
  const boundMs = oneDeathMs + (killAt === undefined ? 0 : leaderChangeMs);
  try {
    for (const array of world.arrays.values()) story?.before?.(array);
    world.run(settleMs);
    if (story !== undefined) playHealthStory(world, prng.fork(), story);
    else if (call !== undefined) playCloseCall(world, call);
    else if (oneDeath) dieOnce(world, prng.fork(), boundMs);
    else {
      inject(world, faults);
      world.run(faultyMs);
    }
    world.heal();
    converge(world);
  } catch (error: unknown) {
    // The product's process would end and begin anew; here it never has a reason to.
    world.checkers.fail(`X threw: ${Error.isError(error) ? error.message : String(error)}`);
  }
  const { violations, episodes, moves, writes } = world.checkers;
  const { traceHash, lines = [], now: simulatedMs } = world;
  return { seed, violations, faults, episodes, moves, writes, simulatedMs, traceHash, lines };
}

interface Plot {
  readonly oneDeath: boolean;
  readonly story: HealthStory | undefined;
  readonly call: CloseCall | undefined;
}

function planWorld(prng: Prng, { oneDeath, story, call }: Plot): WorldPlan {
  const some = ['a', 'b', 'c', 'd', 'e', 'f'].slice(0, prng.pick([3, 4, 4, 5, 6]));
  const nodes = story?.nodes ?? some;
  const simple = [plainDriver, listingDriver, ...(story === undefined ? [] : [lateDriver])];
  const fitting = simple.filter(({ array }) => story?.with.includes(array.health) ?? true);
  const drawnDrivers = oneDeath ? [prng.pick(fitting)] : planDrivers(prng);
  const drivers = call?.drivers ?? drawnDrivers;
  const names = drivers.map(({ name }) => name);
  const drawn = planWorkloads(prng, names, nodes);
  const chosen = story === undefined ? drawn : workloadsOf(story, names[0] ?? '', drawn);
  const workloads = call === undefined ? chosen : workloadsAround(call, nodes);
  if (oneDeath) {
    const latency = { lowMs: 0, highMs: 40 };
    const policy = { nodeCondition: story !== undefined };
    const calm = { watchLagMs: 500, dawdles: 0, clockError: 0.01 };
    return { nodes, drivers, workloads, latency, policy, ...calm };
  }
  return {
    nodes,
    drivers,
    workloads,
    latency: { lowMs: 0, highMs: prng.pick([20, 100, 400]) },
    watchLagMs: prng.pick([200, 800, 800, 3_000]),
    dawdles: prng.pick([0, 0.05, 0.2]),
    // The last one is far beyond what any clock may do.
    clockError: prng.pick([0, 0.01, 0.01, 0.25]),
  };
}

/** One death and nothing else: recovery is bounded. */
function dieOnce(world: World, prng: Prng, boundMs: number): void {
  const victim = prng.pick(world.machines);
  const doomed = movablePodsOn(world, victim.name);
  world.trace(`** power-off: ${victim.name} loses power`);
  victim.powerOff(boundMs + 60_000);
  world.run(boundMs);
  for (const { uid, name, app, named } of doomed) {
    const replaced = world.store
      .all('pods')
      .some(
        ({ metadata, status, spec }) =>
          metadata.uid !== uid &&
          metadata.labels?.app === app &&
          (!named || metadata.name === name) &&
          status?.phase === 'Running' &&
          spec.nodeName !== victim.name,
      );
    if (!replaced) world.checkers.fail(`L0 ${name} does not run elsewhere after ${boundMs} ms`);
  }
}

function movablePodsOn(world: World, node: string): Doomed[] {
  const plans = new Map(world.plan.workloads.map((plan) => [plan.name, plan]));
  return world.store.all('pods').flatMap(({ metadata, spec, status }) => {
    const plan = plans.get(metadata.labels?.app ?? '');
    const here = spec.nodeName === node && status?.phase === 'Running';
    if (!here || plan === undefined || !plan.movable || !isFenced(world, plan)) return [];
    // Nobody makes it again.
    if (plan.kind === 'bare') return [];
    const named = plan.kind === 'statefulsets';
    return [{ uid: metadata.uid, name: metadata.name, app: plan.name, named }];
  });
}

function isFenced(world: World, { drivers, claim }: WorkloadPlan): boolean {
  const names = new Set([...drivers, ...(claim === undefined ? [] : [claim.driver])]);
  return areFenced(world.plan.drivers.filter(({ name }) => names.has(name)));
}

function converge(world: World): void {
  let restingSince: number | undefined;
  let actions = -1;
  let lookAt = 0;
  engageCaretaker(world);
  world.run(convergeMs, () => {
    if (world.now < lookAt) return false;
    lookAt = world.now + 1_000;
    const started = world.replicas.reduce((sum, one) => sum + one.startedActions, 0);
    const rests = started === actions && world.checkers.missing().length === 0;
    actions = started;
    if (!rests) restingSince = undefined;
    else restingSince ??= world.now;
    return restingSince !== undefined && world.now - restingSince >= restMs;
  });
  if (restingSince !== undefined && world.now - restingSince >= restMs) return;
  const missing = world.checkers.missing();
  for (const one of missing) world.checkers.fail(one);
  if (missing.length === 0) world.checkers.fail('L3 actions go on although nothing is missing');
}

interface Doomed {
  readonly uid: string;
  readonly name: string;
  readonly app: string;
  /** Its replacement has the same name. */
  readonly named: boolean;
}
