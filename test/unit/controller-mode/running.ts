import type { Stage } from './views.ts';
import { World } from './world.ts';

/** n1 is Lost with web-0; record, mark and taint stand, the hold is at this stage. */
export function running(stage: Stage, phase: 'Intent' | 'Fenced' | 'Moved' = 'Intent'): World {
  const world = World.healthy();
  world.workload('web-0', 'n1');
  world.lose('n1');
  world.record('n1', ['web-0'], { phase });
  world.mark('web-0');
  world.taint('n1');
  world.stage('web-0', 'n1', stage);
  return world.pass(1);
}
