import { aliveIn, mutantSuite } from '../mutation/mutant-suite.ts';
import { ordeal } from '../mutation/ordeal.ts';
import { ClusterStage, fastSettings, sceneOf } from './stage.ts';

mutantSuite('real', async ({ name, ...bundle }) => {
  const scene = sceneOf(name);
  await using stage = await ClusterStage.open(scene, { ...fastSettings(), ...bundle });
  return { ...(await ordeal(stage, scene)), alive: aliveIn(stage.bed) };
});
