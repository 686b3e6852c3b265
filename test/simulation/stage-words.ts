/** `name key=value flag`: the words of one line of a scenario file. */
export class Words {
  readonly name: string;
  /** Those without a `=`, after the name. */
  readonly plain: readonly string[];
  /** All after the name, as they stand. */
  readonly all: readonly string[];
  readonly #named = new Map<string, string>();

  constructor(line: string) {
    const [name = '', ...words] = line.split(/\s+/);
    this.name = name;
    this.all = words;
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

  /** `for=30s`; for good, if it is not said. */
  get forMs(): number {
    return milliseconds(this.get('for') ?? '100000s');
  }
}

export function milliseconds(text: string): number {
  const [, number, unit] = /^([\d.]+)(ms|s)$/.exec(text) ?? [];
  if (number === undefined) throw new Error(`not a duration: ${text}`);
  return Number(number) * (unit === 's' ? 1_000 : 1);
}
