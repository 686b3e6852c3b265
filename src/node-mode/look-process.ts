import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { helperArgument } from './look-helper.ts';

export interface HelperProcess {
  send(line: string): void;
  /** At once, if the kernel can; `end` is called when it is gone. */
  kill(): void;
}

export interface HelperEars {
  line(text: string): void;
  /** Once or more: the process is gone, or never came to be. */
  end(): void;
}

export type StartHelper = (ears: HelperEars) => HelperProcess;

/** Starts this program as its own helper. It ends when its input does, so not after us. */
export function helperStarter(command: readonly string[]): StartHelper {
  const [program = '', ...more] = command;
  return (ears) => {
    // What it inherits of the environment is only for Node itself.
    const child = spawn(program, [...more, helperArgument], { stdio: ['pipe', 'pipe', 'ignore'] });
    const kill = (): void => void child.kill('SIGKILL');
    child.on('error', () => ears.end());
    child.on('exit', () => ears.end());
    child.stdin.on('error', kill);
    createInterface({ input: child.stdout }).on('line', (line) => ears.line(line));
    return { send: (line) => void child.stdin.write(`${line}\n`), kill };
  };
}
