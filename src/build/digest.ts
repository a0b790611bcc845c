import { createHash, type BinaryLike } from 'node:crypto';
import type { Digest } from '../core/units/quantities.ts';

const shape = /^sha256:([0-9a-f]{64})$/;

export const digestOf = (data: BinaryLike): Digest => asDigest(createHash('sha256').update(data).digest('hex'));

export const asDigest = (hex: string): Digest => {
  const digest = `sha256:${hex}`;
  if (!shape.test(digest)) throw new TypeError(`not the hexadecimal form of a sha256: ${hex}`);
  return digest as Digest;
};

/**
 * The 64 hexadecimal digits of a digest, which name files: checked again here, because a digest that was read from
 * somewhere must not lead out of the store.
 *
 * @throws TypeError when it is none
 */
export const hexOf = (digest: Digest): string => {
  const hex = shape.exec(digest)?.[1];
  if (hex === undefined) throw new TypeError(`not a digest: ${JSON.stringify(digest)}`);
  return hex;
};
