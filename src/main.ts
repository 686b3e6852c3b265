import { helperArgument, serveLooks } from './node-mode/look-helper.ts';

/**
 * One file is shipped, and this is where it begins: as the program, or as the helper that looks at
 * volumes for it and loads nothing else, because there is one on every node beside every driver.
 */
if (process.argv[2] === helperArgument) serveLooks(process.stdin, process.stdout);
else void import('./program.ts').then(({ main }) => main());
