/**
 * Ends with 1 if a rule of manifests/base was used by no suite of those that wrote down what they
 * used: `node test/cluster/used-rights.ts`, after them.
 */
import { unusedRights } from './audit.ts';
import { usedRightsVariable } from './used-rights-variable.ts';

const folder = process.env[usedRightsVariable];
if (folder === undefined) {
  console.error(`${usedRightsVariable} names no folder: nobody wrote down what was used`);
  process.exit(2);
}
const unused = unusedRights(folder);
for (const rule of unused) console.error(`no suite used ${rule}`);
process.exit(unused.length === 0 ? 0 : 1);
