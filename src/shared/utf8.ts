/** No character takes more than three bytes for each unit of its length. */
export function fitsInUtf8(text: string, bytes: number): boolean {
  return 3 * text.length <= bytes || utf8Length(text) <= bytes;
}

/** Bytes on the wire; the core has no TextEncoder. */
function utf8Length(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}
