import { parseLabelSelector } from './label-selector.ts';
/**
 * What the texts of options mean. Each reader returns undefined for a text that it cannot read;
 * what it expects stands beside it, for the message.
 */
export interface Reader<T> {
  readonly expected: string;
  readonly read: (text: string) => T | undefined;
}

/** A share of the nodes: of all of them in percent, or a number of nodes. */
export type Share = { readonly percent: number } | { readonly count: number };

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

/** Go's time.ParseDuration without its micro- and nanoseconds; in milliseconds. */
export const duration: Reader<number> = {
  expected: 'a duration such as 500ms, 2s or 1m30s',
  read: (text) => {
    if (text === '0') return 0;
    if (!/^(?:\d+(?:\.\d+)?(?:ms|s|m|h))+$/.test(text)) return undefined;
    let sum = 0;
    for (const [, number, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)) {
      sum += Number(number) * (unitMs[unit as string] as number);
    }
    return Number.isSafeInteger(Math.round(sum)) ? Math.round(sum) : undefined;
  },
};

/** The words of Go's strconv.ParseBool. */
export const boolean: Reader<boolean> = {
  expected: 'true or false',
  read: (text) => {
    if (/^(?:true|t|1)$/i.test(text)) return true;
    return /^(?:false|f|0)$/i.test(text) ? false : undefined;
  },
};

export const count: Reader<number> = {
  expected: 'a whole number of at least 1',
  read: (text) => (/^[1-9]\d{0,8}$/.test(text) ? Number(text) : undefined),
};

export const rate: Reader<number> = {
  expected: 'a number above 0',
  read: (text) => (/^\d{1,9}(?:\.\d+)?$/.test(text) && Number(text) > 0 ? Number(text) : undefined),
};

export const share: Reader<Share> = {
  expected: 'a percentage from 1% to 100%, or a whole number of at least 1',
  read: (text) => {
    if (!text.endsWith('%')) {
      const nodes = count.read(text);
      return nodes === undefined ? undefined : { count: nodes };
    }
    const percent = count.read(text.slice(0, -1));
    return percent === undefined || percent > 100 ? undefined : { percent };
  },
};

export const path: Reader<string> = {
  expected: 'an absolute path',
  read: (text) => (text.startsWith('/') && !text.includes('\0') ? text : undefined),
};

/** Relative ones, too, as kubectl and the CSI sidecars take them. */
export const file: Reader<string> = {
  expected: 'the name of a file',
  read: (text) => (text === '' || text.includes('\0') ? undefined : text),
};

/** The kernel's sockaddr_un has 108 bytes for the path and its closing zero. */
const longestSocketPath = 107;

/** `/run/csi/socket`, `unix:/run/csi/socket` or `unix:///run/csi/socket`, as sidecars take it. */
export const socket: Reader<string> = {
  expected: `an absolute path, unix:/path or unix:///path, at most ${longestSocketPath} bytes`,
  read: (text) => {
    const absolute = path.read(text.replace(/^unix:(?:\/\/)?(?=\/)/, ''));
    if (absolute === undefined || Buffer.byteLength(absolute) > longestSocketPath) return undefined;
    return `unix:${absolute}`;
  },
};

/** `host:port`, `[::1]:port` or `:port`, which listens on all addresses. */
export const endpoint: Reader<string> = {
  expected: 'host:port or :port',
  read: (text) => {
    const match = /^(?:[\w.-]+|\[[0-9a-fA-F:.]+\])?:(\d{1,5})$/.exec(text);
    return match !== null && Number(match[1]) <= 65_535 ? text : undefined;
  },
};

/** Names of Node objects: a DNS subdomain (apimachinery validation IsDNS1123Subdomain). */
export const objectName: Reader<string> = {
  expected: 'the name of a Kubernetes object: lower case letters, digits, "-" and "."',
  read: (text) =>
    text.length <= 253 && /^[a-z\d](?:[-a-z\d.]*[a-z\d])?$/.test(text) ? text : undefined,
};

export const namespaceName: Reader<string> = {
  expected: 'the name of a namespace: at most 63 lower case letters, digits and "-"',
  read: (text) =>
    text.length <= 63 && /^[a-z\d](?:[-a-z\d]*[a-z\d])?$/.test(text) ? text : undefined,
};

/** CSI spec, GetPluginInfoResponse.name. */
export const driverName: Reader<string> = {
  expected: 'the name of a CSI driver: at most 63 letters, digits, "-" and "."',
  read: (text) =>
    text.length <= 63 && /^[a-z\d](?:[-a-z\d.]*[a-z\d])?$/i.test(text) ? text : undefined,
};

/**
 * A label selector as kubectl takes it. An empty one would select every pod, so it is a mistake.
 */
export const selector: Reader<string> = {
  expected: 'a label selector such as app=db, tier in (a,b) or !key',
  read: (text) =>
    text.trim() !== '' && parseLabelSelector(text).kind === 'Selector' ? text.trim() : undefined,
};

export function choice<const Word extends string>(words: readonly Word[]): Reader<Word> {
  return {
    expected: `one of ${words.join(', ')}`,
    read: (text) => words.find((word) => word === text),
  };
}
