import { prebuilt } from './test/prebuilt-packages.mjs';

// Native ES modules: Node's own type stripping is the only transform, so what is tested is what is written.
export default {
  // Where nothing else is looked for: trees of mutants come and go in .cache.
  roots: ['<rootDir>/build', '<rootDir>/src', '<rootDir>/test'],
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleFileExtensions: ['ts', 'mjs', 'cjs', 'js', 'json', 'node'],
  transform: { '\\.ts$': '<rootDir>/build/strip-types.mjs' },
  globalSetup: '<rootDir>/test/prebuilt-packages.mjs',
  moduleNameMapper: prebuilt,
  testMatch: ['<rootDir>/test/**/*.test.ts'],
  workerIdleMemoryLimit: '1GB',
};
