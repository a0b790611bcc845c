import { readReference, type ImageReference } from '../core/image/reference.ts';
import { InvalidImageReferenceError } from '../errors.ts';

/** @throws InvalidImageReferenceError saying which part is wrong */
export function parseReference(text: string): ImageReference {
  const read = readReference(text);
  if ('wrong' in read) throw new InvalidImageReferenceError(text, read.wrong);
  return read;
}
