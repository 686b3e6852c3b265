import { createHash } from 'node:crypto';

const names = new Map<string, string>();

/** `csi-` and the SHA-256 of handle, driver and node (csi_attacher.go getAttachmentName). */
export function attachmentName(handle: string, driver: string, node: string): string {
  const text = `${handle}${driver}${node}`;
  const known = names.get(text) ?? `csi-${createHash('sha256').update(text).digest('hex')}`;
  names.set(text, known);
  return known;
}
