import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { LineDecoder } from '../../../../src/shared/kubernetes/line-decoder.ts';

function decode(chunks: readonly Buffer[], maxLineBytes?: number): (string | undefined)[] {
  const decoder = new LineDecoder(maxLineBytes);
  const lines: (string | undefined)[] = [];
  for (const chunk of chunks) decoder.push(chunk, (line) => lines.push(line));
  return lines;
}

describe('LineDecoder', () => {
  it('gives the same lines however the bytes are cut', () => {
    const lines = fc.array(
      fc.string({ unit: 'binary', minLength: 1 }).filter((text) => !text.includes('\n')),
    );
    const cuts = fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1 });
    fc.assert(
      fc.property(lines, cuts, (texts, sizes) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        const chunks: Buffer[] = [];
        for (let at = 0, i = 0; at < bytes.length; i += 1) {
          const size = sizes[i % sizes.length] ?? 1;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(decode(chunks)).toEqual(decode([bytes]));
        expect(decode(chunks)).toHaveLength(texts.length);
      }),
    );
  });

  it('keeps a character whole that is split between two chunks', () => {
    const bytes = Buffer.from('ä€😀\n');
    expect(decode([...bytes].map((byte) => Buffer.from([byte])))).toEqual(['ä€😀']);
  });

  it('leaves out empty lines and the unfinished end', () => {
    expect(decode([Buffer.from('\n\na\n\nb')])).toEqual(['a']);
  });

  it('gives up a line beyond the bound and goes on with the next', () => {
    const chunks = ['12345', '6789', '0\nshort\n', '123456789\nok\n'].map((text) =>
      Buffer.from(text),
    );
    expect(decode(chunks, 8)).toEqual([undefined, 'short', undefined, 'ok']);
  });
});
