import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Exit, ManagedProcess, type ProcessOptions } from '../machine/process.ts';

export interface ComponentOptions extends ProcessOptions {
  /** Answers 200 when it is ready. */
  readonly readyUrl: string;
  /** PEM of the authority that signed its certificate, if it has one. */
  readonly ca: string;
}

const startPatienceMs = 90_000;

/** A part of the control plane as a process, which can be killed and started again in its place. */
export class Component implements AsyncDisposable {
  readonly name: string;
  readonly #options: ComponentOptions;
  #process: ManagedProcess | undefined;

  constructor(options: ComponentOptions) {
    this.name = options.name;
    this.#options = options;
  }

  /** Undefined while it is not running. */
  get process(): ManagedProcess | undefined {
    return this.#process?.alive === true ? this.#process : undefined;
  }

  /** Resolves when it is ready; rejects with the end of its log when it ends instead. */
  async start(): Promise<void> {
    if (this.process !== undefined) return;
    const child = new ManagedProcess(this.#options);
    this.#process = child;
    const end = performance.now() + startPatienceMs;
    const { readyUrl, ca } = this.#options;
    while ((await statusOf(readyUrl, ca)) !== 200) {
      if (!child.alive || performance.now() > end) {
        throw new Error(`${this.name} does not become ready:\n${child.tail()}`);
      }
      await sleep(50);
    }
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#process?.kill();
  }

  /** SIGTERM, as a roll-out ends it. */
  async stop(): Promise<Exit | undefined> {
    return await this.#process?.stop(15_000);
  }

  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}

/** 0: no answer. */
async function statusOf(url: string, ca: string): Promise<number> {
  return await new Promise((resolve) => {
    const options = { ca, agent: false, signal: AbortSignal.timeout(2_000) } as const;
    const send = url.startsWith('https:') ? requestTls : request;
    const outgoing = send(url, options, (response) => {
      response.resume();
      response.once('error', () => resolve(0));
      response.once('end', () => resolve(response.statusCode ?? 0));
    });
    outgoing.once('error', () => resolve(0));
    outgoing.end();
  });
}
