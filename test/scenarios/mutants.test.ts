import { aliveIn, mutantSuite } from '../mutation/mutant-suite.ts';
import { ordeal } from '../mutation/ordeal.ts';
import { fence, shortSettings, Stage } from './stage.ts';

mutantSuite('double', async ({ name, ...bundle }) => {
  const machines = ['a', 'b', 'c'].map((letter) => `${name}-${letter}`);
  await using stage = await Stage.open(name, { ...shortSettings(fence), machines, ...bundle });
  const requests = () => stage.bed.server.requests;
  const options = { namespace: name, machines, requests };
  return { ...(await ordeal(stage, options)), alive: aliveIn(stage.bed) };
});
