import { describe } from '@jest/globals';
import { startBed } from '../machine/bed.ts';
import { controllersSuite, driverName, machines } from './controllers-suite.ts';

describe('the modelled controllers', () => {
  controllersSuite(() => startBed({ bundle: undefined, replicas: 0, driverName, machines }));
});
