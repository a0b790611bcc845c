import { createHash } from 'node:crypto';

// A line of JSON on disk that says by itself whether it is whole.

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** @param line JSON without line breaks */
export const seal = (line: string): string => `${JSON.stringify({ format: 1, sha256: sha256(line) })}\n${line}\n`;

/** The line that was sealed. @throws Error when the text is damaged or of another format */
export function unseal(text: string): string {
  const [head = '', line] = text.split('\n');
  const header: unknown = JSON.parse(head);
  if (typeof header !== 'object' || header === null || !('format' in header) || header.format !== 1) {
    throw new Error('unknown format');
  }
  if (line === undefined || !('sha256' in header) || header.sha256 !== sha256(line)) throw new Error('wrong checksum');
  return line;
}
