import type { Clock } from './clock.ts';
import type { Logger } from './log.ts';
import type { Notice } from './mode.ts';
import type { Outcome } from './outcome.ts';

export interface AnnouncerOptions {
  /** Writes one Event, under a name that follows from the object's uid and the notice's key. */
  readonly record: (notice: Notice) => Promise<Outcome>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How many Events are written at the same time: they must not crowd out what saves a pod. */
const concurrency = 4;

/** Events are for people: a repeat a few seconds later loses nothing. */
const retryMs = 5000;

/** More waiting Events than this are not written: nobody reads them, and memory is finite. */
const mostWaiting = 10_000;

interface Sentence {
  notice: Notice;
  state: 'Waiting' | 'Writing' | 'Written';
  attempted: boolean;
}

/**
 * Turns the complete set of sentences that are true now into writes: each is written once, when
 * it becomes true, and once more when it becomes true again. A write that fails is repeated while
 * the sentence is true; the first attempt is made even if it was true only for a moment.
 */
export class Announcer {
  readonly #options: AnnouncerOptions;
  /** By object and key: what is true now, and what was and is still to be written. */
  readonly #sentences = new Map<string, Sentence>();
  readonly #waiting = new Set<string>();
  #true = new Set<string>();
  #writing = 0;
  #cancelRetry: (() => void) | undefined;
  #stopped = false;

  constructor(options: AnnouncerOptions) {
    this.#options = options;
  }

  announce(notices: readonly Notice[]): void {
    const before = this.#true;
    this.#true = new Set();
    for (const notice of notices) {
      const id = `${notice.about.uid} ${notice.key}`;
      if (this.#true.has(id)) continue;
      this.#true.add(id);
      if (!before.has(id)) this.#becameTrue(id, notice);
    }
    for (const id of before) if (!this.#true.has(id)) this.#forget(id);
    this.#write();
  }

  /** Writes nothing more; what is being written comes to its own end. */
  stop(): void {
    this.#stopped = true;
    this.#cancelRetry?.();
  }

  #becameTrue(id: string, notice: Notice): void {
    this.#log(notice);
    const known = this.#sentences.get(id);
    // Still being written since it was true the last time: that write will do.
    if (known?.state === 'Writing') return;
    if (this.#waiting.size >= mostWaiting) return;
    this.#sentences.set(id, { notice, state: 'Waiting', attempted: false });
    this.#waiting.add(id);
  }

  /** The same sentence in the log: it can be found there when the Event has expired. */
  #log({ about, type, reason, note, word }: Notice): void {
    const { kind, namespace, name } = about;
    const fields = { kind, namespace, name, reason, word, note };
    if (type === 'Warning') this.#options.log.warn(fields, 'notice');
    else this.#options.log.info(fields, 'notice');
  }

  #forget(id: string): void {
    const sentence = this.#sentences.get(id);
    if (sentence === undefined || sentence.state === 'Writing') return;
    if (sentence.state === 'Waiting' && !sentence.attempted) return;
    this.#sentences.delete(id);
    this.#waiting.delete(id);
  }

  #write(): void {
    for (const id of this.#waiting) {
      if (this.#stopped || this.#writing >= concurrency) return;
      const sentence = this.#sentences.get(id);
      // After a failure it waits for the retry timer.
      if (sentence === undefined || sentence.attempted) continue;
      this.#waiting.delete(id);
      this.#writing += 1;
      void this.#writeOne(id, sentence);
    }
  }

  async #writeOne(id: string, sentence: Sentence): Promise<void> {
    sentence.state = 'Writing';
    const written = await this.#record(sentence.notice);
    this.#writing -= 1;
    sentence.attempted = true;
    if (written) sentence.state = 'Written';
    else {
      sentence.state = 'Waiting';
      this.#waiting.add(id);
      this.#planRetry();
    }
    if (!this.#true.has(id)) this.#forget(id);
    this.#write();
  }

  async #record(notice: Notice): Promise<boolean> {
    try {
      const outcome = await this.#options.record(notice);
      if (outcome.kind === 'Done') return true;
      this.#options.log.debug({ reason: notice.reason, outcome }, 'an Event was not written');
    } catch (error) {
      this.#options.log.error({ reason: notice.reason, err: error }, 'writing an Event threw');
    }
    return false;
  }

  #planRetry(): void {
    if (this.#stopped || this.#cancelRetry !== undefined) return;
    this.#cancelRetry = this.#options.clock.after(retryMs, () => {
      this.#cancelRetry = undefined;
      for (const id of this.#waiting) {
        const sentence = this.#sentences.get(id);
        if (sentence !== undefined) sentence.attempted = false;
      }
      this.#write();
    });
  }
}
