import { describe } from '@jest/globals';
import { startBed } from '../machine/bed.ts';
import { driverName, machines, restartSuite } from './restart-suite.ts';

describe('the modelled controllers, restarted', () => {
  restartSuite(async () => {
    const bed = await startBed({ bundle: undefined, replicas: 0, driverName, machines });
    const restartControllers = (): Promise<void> => {
      bed.foundation.controlPlane.restart(...managed);
      return Promise.resolve();
    };
    return { bed, restartControllers };
  });
});

/** What runs in kube-controller-manager; the scheduler and the attacher are processes of their own. */
const managed = [
  'node-lifecycle',
  'taint-eviction',
  'pod-gc',
  'deployment',
  'replica-set',
  'stateful-set',
  'attach-detach',
  'garbage-collector',
] as const;
