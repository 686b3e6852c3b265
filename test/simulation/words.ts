/** The words of a command of a scenario. */

/** `name key=value flag`: the words of a command after its first. */
export class Words {
  readonly plain: readonly string[];
  readonly #named = new Map<string, string>();

  constructor(words: readonly string[]) {
    this.plain = words.filter((word) => !word.includes('='));
    for (const word of words) {
      const at = word.indexOf('=');
      if (at > 0) this.#named.set(word.slice(0, at), word.slice(at + 1));
    }
  }

  get(name: string): string | undefined {
    return this.#named.get(name);
  }

  has(flag: string): boolean {
    return this.plain.includes(flag);
  }
}

/** `30s`, or `500ms`. */
export function milliseconds(text: string): number {
  const [, number, unit] = /^([\d.]+)(ms|s)$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`not a duration: ${text}`);
  return Number(number) * (unit === 's' ? 1_000 : 1);
}
