import type { Clock } from '../shared/clock.ts';
import { readyLine } from './look-helper.ts';
import type { HelperProcess, StartHelper } from './look-process.ts';
import type { LookAnswer, LookQuestion } from './own-looks.ts';

export type LookResult =
  | { readonly kind: 'Answered'; readonly answer: LookAnswer }
  /** No answer in time: whatever holds the look, it is not us. */
  | { readonly kind: 'Late' }
  /** We could not look: no helper to be had, or it ended. */
  | { readonly kind: 'Unable' };

export interface LookPoolOptions {
  readonly clock: Clock;
  readonly start: StartHelper;
  /** From the question to the answer. */
  readonly deadlineMs: number;
}

/** Processes at a time, those included that were killed and do not end: about 20 MB each. */
const maxHelpers = 4;

const startDeadlineMs = 10_000;

/** What is too long for an answer. */
const maxLine = 10_000;

/**
 * Looks at volumes through helpers, one look at a time in each. A helper that does not answer is
 * killed, and one that cannot even be killed (it waits in the kernel for a device that hangs)
 * is left behind: it keeps its place among the few, and its volume is not looked at again until it
 * has ended, since that look would hang likewise.
 */
export class LookPool {
  readonly #options: LookPoolOptions;
  readonly #idle: Helper[] = [];
  readonly #all = new Set<Helper>();
  /** By the volume that holds the helper. */
  readonly #stuck = new Map<string, Helper>();
  #stopped = false;

  constructor(options: LookPoolOptions) {
    this.#options = options;
  }

  /** How many helpers were killed and have not ended. */
  get stuck(): number {
    return this.#stuck.size;
  }

  /** Never rejects. */
  async look(volume: string, question: LookQuestion): Promise<LookResult> {
    if (this.#stopped) return { kind: 'Unable' };
    if (this.#stuck.has(volume)) return { kind: 'Late' };
    const helper = this.#idle.pop() ?? this.#start();
    if (helper === undefined || !(await helper.ready)) return { kind: 'Unable' };
    const result = await helper.ask(question);
    if (result.kind === 'Answered') this.#idle.push(helper);
    else if (result.kind === 'Late' && helper.kill()) this.#stuck.set(volume, helper);
    return result;
  }

  /** No helper is started after this. */
  stop(): void {
    this.#stopped = true;
    for (const helper of this.#all) helper.kill();
  }

  #start(): Helper | undefined {
    if (this.#all.size >= maxHelpers) return undefined;
    try {
      const helper = new Helper(this.#options, () => this.#forget(helper));
      this.#all.add(helper);
      return helper;
    } catch {
      // No memory for a process, for example.
      return undefined;
    }
  }

  #forget(helper: Helper): void {
    this.#all.delete(helper);
    const place = this.#idle.indexOf(helper);
    if (place >= 0) this.#idle.splice(place, 1);
    for (const [volume, one] of this.#stuck) if (one === helper) this.#stuck.delete(volume);
  }
}

/** One process. It is asked one thing at a time. */
class Helper {
  readonly #options: LookPoolOptions;
  readonly #process: HelperProcess;
  readonly #ready = Promise.withResolvers<boolean>();
  #asked = 0;
  #hear: (line: string) => void;
  #ended = false;

  constructor(options: LookPoolOptions, onEnd: () => void) {
    this.#options = options;
    const cancel = options.clock.after(startDeadlineMs, () => {
      this.kill();
      this.#ready.resolve(false);
    });
    this.#hear = (line) => {
      cancel();
      this.#ready.resolve(line === readyLine);
    };
    this.#process = options.start({
      line: (text) => this.#hear(text),
      end: () => {
        if (this.#ended) return;
        this.#ended = true;
        this.#hear('');
        onEnd();
      },
    });
  }

  /** False: it never came up, and is gone or going. */
  get ready(): Promise<boolean> {
    return this.#ready.promise;
  }

  ask(question: LookQuestion): Promise<LookResult> {
    const id = (this.#asked += 1);
    if (this.#ended) return Promise.resolve({ kind: 'Unable' });
    return new Promise((resolve) => {
      const settle = (result: LookResult): void => {
        cancel();
        this.#hear = () => {};
        resolve(result);
      };
      const { clock, deadlineMs } = this.#options;
      const cancel = clock.after(deadlineMs, () => settle({ kind: 'Late' }));
      this.#hear = (line) => {
        const answer = parseAnswer(line, id);
        if (answer === undefined) this.kill();
        settle(answer === undefined ? { kind: 'Unable' } : { kind: 'Answered', answer });
      };
      this.#process.send(JSON.stringify({ id, ...question }));
    });
  }

  /** Whether there was anything left to kill. */
  kill(): boolean {
    if (!this.#ended) this.#process.kill();
    return !this.#ended;
  }
}

function parseAnswer(line: string, id: number): LookAnswer | undefined {
  if (line.length > maxLine) return undefined;
  try {
    const answer = JSON.parse(line) as LookAnswer & { readonly id?: number };
    return answer.id === id ? answer : undefined;
  } catch {
    return undefined;
  }
}
