import { randomInt } from 'node:crypto';

/**
 * An address of the loopback network that nobody else has, but for one chance in sixteen million:
 * the kernel takes all of 127.0.0.0/8 for its own (RFC 1122 3.2.1.3). Ports of it are nobody's before
 * they are opened, which cannot be said of a port of 127.0.0.1 that was free a moment ago.
 */
export function freshLoopback(): string {
  // Not 127.0.x.y, where others listen, nor an address that ends in 0 or 255.
  return `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
}
