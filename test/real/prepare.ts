/** Installs and builds what real machines are made of, as far as it is missing. */
import { ensureBinaries, ensureNodeBinaries } from '../cluster/binaries.ts';
import { installPackages } from './host.ts';

installPackages();
const ready = { ...(await ensureBinaries()), ...(await ensureNodeBinaries()) };
for (const path of Object.values(ready)) console.log(path);
