/**
 * What csi-failover relies on in an API server, as tests that run against any: the double that
 * serves the model, and kube-apiserver.
 */
import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import type { ApiAccess } from '../machine/api-access.ts';
import { ApiVisitor } from './api-visitor.ts';
import { objectSuite } from './object-suite.ts';
import { readSuite } from './read-suite.ts';
import { writeSuite } from './write-suite.ts';

/** An API server without controllers, and somebody who may do everything. */
export interface Contender extends AsyncDisposable {
  readonly access: ApiAccess;
  /** Everything before now is forgotten: a watch from an older version is answered 410. */
  forget(): Promise<void>;
}

export function apiSuite(open: () => Promise<Contender>): void {
  let contender: Contender;
  const visitor = new ApiVisitor();
  let tests = 0;

  beforeAll(async () => {
    contender = await open();
    visitor.arrive(contender.access);
  }, 120_000);
  afterAll(async () => {
    visitor.leave();
    await contender?.[Symbol.asyncDispose]();
  }, 60_000);
  beforeEach(async () => {
    tests += 1;
    await visitor.moveTo(`api-suite-${tests}`);
  });

  writeSuite(visitor);
  objectSuite(visitor);
  readSuite(visitor, () => contender.forget());
}
