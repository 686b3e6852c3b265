/** Builds what the test cluster is made of, as far as it is missing: `node test/cluster/build.ts`. */
import { ensureBinaries } from './binaries.ts';

const start = performance.now();
const binaries = await ensureBinaries();
for (const path of Object.values(binaries)) console.log(path);
console.log(`ready after ${((performance.now() - start) / 1000).toFixed(0)} s`);
